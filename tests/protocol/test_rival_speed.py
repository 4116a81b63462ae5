"""Speeds of two engines, measured in turns."""

import json

from benchmarks import rival_speed


def test_aino_is_measured_against_a_rival(stockfish, capsys):
    arguments = [
        "--rival",
        stockfish,
        "--flags",
        "--evaluator material",
        "--threads",
        "1",
        "--seconds",
        "0.5",
    ]
    rival_speed.main([*arguments, "--positions", "2", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert 0 < row["aino"] < row["rival"]
    assert row["low"] <= row["ratio"] <= row["high"] < 1
