"""The other subcommands of `aino`, run as a person or a script runs them."""

import itertools
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpy.random import default_rng

import engine
from engine.network.lc0.planes_file import read_planes
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.tower.tower_model import TowerConfig
from engine.network.weights import default_net_path
from engine.nn import Dense, dit
from engine.options import EngineOptions
from tests.new_process import talking
from tests.protocol.aino_process import COMMAND, ROOT, START_S
from uci.bench import bench
from uci.bench import signature as bench_signature
from uci.main import main


@pytest.mark.parametrize("module", ["selfplay", "uci"])
def test_every_package_with_a_command_runs_as_a_module(module):
    words = [sys.executable, "-m", module, "--version"]
    output = subprocess.check_output(words, cwd=ROOT, text=True, timeout=START_S)
    assert output.strip() == f"Aino {engine.__version__}"


def test_the_help_of_a_game_fits_one_screen(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit):
            main(["play", flag])
    brief, _, full = capsys.readouterr().out.rpartition("usage: aino play")
    assert len(brief.splitlines()) <= 50
    assert ["--cpuct-init" in text for text in (brief, full)] == [False, True]
    for flag in ("--load FILE", "--black-level LEVEL", "--port N", "--threads N", "--help-all"):
        assert flag in brief


@pytest.mark.parametrize(
    ("word", "guess"), [("paly", "'paly'; did you mean 'play'?"), ("xyzzy", "'xyzzy'.")]
)
def test_an_unknown_subcommand_is_guessed(word, guess, capsys):
    assert main([word]) == 2
    error = f"aino: unknown command {guess} `aino --help` lists the commands.\n"
    assert capsys.readouterr().err == error


def test_a_mistyped_flag_is_guessed(capsys):
    with pytest.raises(SystemExit):
        main(["play", "--levell", "5", "--scorse"])
    error = "unrecognized arguments: --levell 5 --scorse; did you mean '--level', '--scores'?"
    assert error in capsys.readouterr().err


MATED = "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--hash-mib 0", "hash_mib"), ("perft 2 nonsense", "nonsense"), ("perft 99", "99"),
        ("net info no/such/file.dit", "file.dit"), ("analyse", "give a FEN"),
        ("analyse 8/8/8", "3 ranks"), ("analyse startpos --nodes 0", "--nodes"), ("play --position 960", "960"),
        ("play --clock x", "x"), ("play --level harder", "harder"), ("play --black-level 1", "1"),
        ("play --load no.pgn", "no.pgn"), ("play --level nodes=0", "0"), ("play --level time=0", "0"),
        ("play --fen x", "x"), ("annotate missing.pgn", "missing.pgn"),
        (f"explain {MATED}", "the game is over"), ("explain startpos --nodes 0", "--nodes"),
        ("explain startpos --nodes 2 --evaluator material --out /dev/null/page.html", "/dev/null"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(words, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert not list(tmp_path.iterdir())


def test_perft_agrees_with_python_chess(capsys):
    assert main(["perft", "3", "--divide", "--compare"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(int(line.split(": ")[1]) for line in lines[:20]) == 8902
    assert [line.split(" nodes")[0] for line in lines[20:]] == ["aino: 8902", "python-chess: 8902"]


@pytest.mark.parametrize("flag", [(), ("--chess960",)])
def test_perft_takes_a_position_of_chess960_for_one(flag, capsys):
    fen = "r1k1r2q/p1ppp1pp/8/8/8/8/P1PPP1PP/R1K1R2Q w KQkq - 0 1"
    assert main(["perft", "1", "--divide", *flag, fen]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert {"c1a1: 1", "c1e1: 1"} <= set(lines)
    assert lines[-1].startswith("aino: 23 nodes")
    assert ("takes this for Chess960" in output.err) == (not flag)


def test_reader_that_leaves_early_is_no_error():
    with talking([*COMMAND, "perft", "1", "--divide"]) as process:
        process.stdout.close()
        _, errors = process.communicate(timeout=START_S)
    assert process.returncode == 0
    assert errors == b""


@pytest.fixture
def short_signature(monkeypatch):
    """Of two positions, with an evaluator of each kind."""
    positions = bench_signature.signature_positions()[:2]
    monkeypatch.setattr(bench_signature, "signature_positions", lambda: positions)
    settings = {name: bench.SIGNATURE_SETTINGS[name] for name in ("material", "lc0")}
    monkeypatch.setattr(bench, "SIGNATURE_SETTINGS", settings)


@pytest.mark.usefixtures("short_signature")
def test_bench_measures_every_part(monkeypatch):
    sizes = {"RUNS": 1, "PERFT_DEPTH": 2, "IN_KERNEL_NODES": 30, "NETWORK_NODES": 10}
    for name, value in sizes.items():
        monkeypatch.setattr(bench, name, value)
    options = EngineOptions(threads=1, hash_mib=16)
    results = json.loads(json.dumps(bench.measure_parts(options, 0.01, bench.BENCH_PARTS, print)))
    assert all(speed > 0 for speed in results["perft nodes/s"].values())
    assert results["evaluations/s"]["material 1 thread batch 64"] > 0
    assert results["search nodes/s"]["material 1 thread"] > 0
    assert results["machine"]["python"] == platform.python_version()
    assert re.fullmatch(r"\d+ [0-9a-f]{8}", results["signature"]["material"])


@pytest.mark.usefixtures("short_signature")
def test_bench_measures_only_what_is_asked_for(capsys):
    assert main(["bench", "--only", "signature", "--threads", "2", "--json"]) == 0
    printed = capsys.readouterr()
    results = json.loads(printed.out)
    assert printed.err == "Searching for the signature\n", "a pipe is told what is being measured"
    assert set(results) == {"machine", "signature"}
    assert main(["bench", "--signature"]) == 0
    lines = capsys.readouterr().out.splitlines()
    entries = {line[:10].strip(): line[10:] for line in lines}
    assert entries == results["signature"], "options change nothing"


CONFIG = TowerConfig(
    16, 1, policy="attention", policy_planes=16, policy_depth=8, moves_left_channels=0
)


@pytest.fixture
def net(tmp_path):
    """A tower, beside a sparse network and one of another kind."""
    dit.save(tmp_path / "small.dit", CONFIG.build(default_rng(1)), {"positions": 12345})
    dit.save(tmp_path / "sparse.dit", SparseNetwork(SparseConfig(128), default_rng(0)))
    dit.save(tmp_path / "dense.dit", Dense(3, 2, default_rng(0)))
    return tmp_path / "small.dit"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("", ["sparse-768"]),
        ("zero", ["zero-512.dit"]),
        ("sparse.dit", ["sparse-128"]),
        ("dense.dit", ["neither a tower nor a sparse network: dense"]),
        ("small.dit", ["tower 16x1 (filters x blocks), gates of 2, relu; attention policy (16 planes, keys of 8)",
                       "wdl value (32 channels, 128 units); no moves left", "12345"]),
    ],
)  # fmt: skip
def test_info_tells_what_a_network_is(net, name, facts, capsys, monkeypatch):
    monkeypatch.chdir(net.parent)
    assert main(["net", "info", *name.split()]) == 0
    text = capsys.readouterr().out
    assert not [fact for fact in facts if fact not in text]


def test_info_is_told_to_programs(net, capsys):
    assert main(["net", "info", "--json", str(net)]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["format"] == "dit"
    assert info["size"] == net.stat().st_size
    model = CONFIG.build(default_rng(0))
    assert info["parameters"] == sum(array.size for array in model.named_parameters().values())


def test_convert_writes_nets_for_lc0(net, capsys, monkeypatch):
    monkeypatch.chdir(net.parent)
    names = [str(net), "small.pb.gz", "again.dit", "again.pb", "again.onnx"]
    for pair in 2 * list(itertools.pairwise(names)):
        assert main(["net", "convert", *pair]) == 0
    capsys.readouterr()
    for name in names[1:4]:
        assert main(["net", "info", name]) == 0
        text = capsys.readouterr().out
        assert "tower 16x1" in text
        assert "POLICY_ATTENTION" in text
    assert main(["net", "convert", "shipped.pb"]) == 0
    shipped = read_planes(default_net_path(entry="default_tower"))
    assert read_planes(Path("shipped.pb")).config == shipped.config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("convert small.dit small.txt", ".pb.gz"),
        ("convert small.dit ./small.dit", "would replace"),
        ("convert small.dit text.pb.gz", "text.pb.gz is not an earlier .gz file"),
        ("convert nowhere.pb there.dit", "nowhere.pb"),
        ("convert sparse.dit sparse.pb", "expected a tower, found a network sparse-128"),
        ("convert sparse.dit sparse.onnx", "expected a tower, found a network sparse-128"),
        ("convert dense.dit dense.pb", "expected a tower, found a model 'dense' (not the"),
        ("info text.pb.gz", "is not a net file (.dit, .pb, .pb.gz)"),
    ],
)
def test_what_cannot_be_converted_is_one_line_on_stderr(net, words, message, capsys, monkeypatch):
    monkeypatch.chdir(net.parent)
    (net.parent / "text.pb.gz").write_text("no net")
    before = sorted(net.parent.iterdir())
    assert main(["net", *words.split()]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(net.parent.iterdir()) == before
