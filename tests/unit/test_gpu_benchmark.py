"""The command for the day of a GPU runs to its end, here on the stand-in and as small as it can be."""

import pytest

from benchmarks import gpu


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
def test_benchmark_of_a_gpu_prints_a_row_for_everything(device, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    flags = "--nets 8x1 --batches 4 --train-batch 16 --games 4 --nodes 16 --seconds 0.01 --steps 3 --no-tests"
    gpu.main(flags.split())
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("a stand-in, ")
    assert first.endswith("PyTorch is missing: only ours is timed")
    assert [row.partition("  ")[0] for row in rows] == [
        "work", "answers: largest difference, 1/1000", "policy loss after 3 steps", "inference, positions/s",
        "search, nodes/s", "self-play with 32 visits, positions/s", "training, positions/s"]  # fmt: skip
    assert all(float(row.split()[-2].replace(",", "")) > 0 for row in rows[1:])
    ours, processors = map(float, rows[2].split()[-2:])
    assert ours == pytest.approx(processors, abs=1e-3)
    assert float(rows[1].split()[-2]) < 10.0
    assert device.counts["product"] > 0
