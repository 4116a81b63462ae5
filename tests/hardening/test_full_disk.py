"""A full disk (simulated by a limit on the size of files): existing files stay, and the message
says what is wrong.

Little memory: a clear message, and the engine plays with what it gets.
"""

import os
from pathlib import Path

import chess
import numpy as np
import pytest

from engine.files.output_files import FIRST_BYTES
from selfplay.main import main as aino_train
from tests.hardening import limited
from tests.new_process import largest_file
from tests.protocol.aino_process import EngineProcess
from tests.protocol.lines import best_move, scored
from tests.selfplay.data.test_v6 import searched_game
from tests.selfplay.matches.rows import ENGINE
from tests.selfplay.segments import write_segment
from tests.selfplay.teachers.nets import material_net_bytes
from uci.main import main as aino

FULL = 150  # bytes that a file may have
PGN = '[Event "x"]\n[Result "*"]\n\n' + "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 *\n"
MATERIAL = "--evaluator material --hash-mib 16 --threads 1".split()
START = ["position startpos", "go nodes 20"]


@pytest.fixture
def pgn(tmp_path):
    path = tmp_path / "game.pgn"
    path.write_text(PGN)
    return path


def fails_cleanly(program, words, capsys, name, most=FULL):
    with largest_file(most):
        assert program([str(word) for word in words]) == 1
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert name in err + out
    assert "too large" in (err + out).lower()
    return err


TOWER = Path("weights/tower-64x6.dit").resolve()
PLAYER = {  # The words of a command, and the file that it writes.
    "explain": (("startpos", "--out", "page.html", "--nodes", 20, *MATERIAL), "page.html"),
    **{f"net convert {suffix}": ((TOWER, f"net{suffix}"), f"net{suffix}")
       for suffix in (".dit", ".pb", ".pb.gz")},
}  # fmt: skip


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("command", PLAYER)
def test_a_file_of_the_player_is_whole_or_not_there(command, is_new, pgn, capsys):
    words, written = PLAYER[command]
    # which may be an earlier one
    folder = pgn.parent
    old = FIRST_BYTES[Path(written).suffix][:1] + PGN.encode()
    pgn.write_bytes(old)
    if not is_new:
        (folder / written).write_bytes(old)
    placed = [
        folder / str(word) if str(word).startswith(("page", "net")) else word for word in words
    ]
    before = sorted(folder.iterdir())
    fails_cleanly(aino, [*command.partition(" .")[0].split(), *placed], capsys, Path(written).stem)
    assert sorted(folder.iterdir()) == before
    assert all(path.read_bytes() == old for path in before)


def test_annotating_says_that_the_file_cannot_be_written(pgn, capsys):
    earlier = pgn.with_name("game.annotated.pgn")
    earlier.write_text("{mine} *")
    fails_cleanly(aino, ["annotate", pgn, "--nodes=20", *MATERIAL], capsys, "game.annotated")
    assert (pgn.read_text(), earlier.read_text()) == (PGN, "{mine} *")
    assert not list(pgn.parent.glob(".*"))


def test_a_terminal_game_that_cannot_be_saved_is_shown(tmp_path):
    path = tmp_path / "game.pgn"
    earlier = '[Event "?"]\n\n*'.ljust(FULL)
    path.write_text(earlier)
    words = ("play", "--level", "nodes 20", "--pgn", path, *MATERIAL)
    done = limited.run("uci", *words, text="e4\nquit\n", RLIMIT_FSIZE=FULL)
    assert "Traceback" not in done.stderr
    assert path.name in done.stderr + done.stdout
    assert "1. e4" in done.stdout + done.stderr, "the game is lost"
    assert path.read_text() == earlier


# ---- aino-train ----------------------------------------------------------------------------------

SHORT = ("--nodes", 5, "--longest", 6)
# The words of a command, in which @ is a folder with `inputs`; the bytes that a file may have; the
# file that is named.
WRITERS = {
    "match": (("--first", f"name=a {ENGINE}", "--second", f"name=b {ENGINE}", "--games", 8, *SHORT, "--out", "@match"),
              2500, "games.jsonl"),
    "gauntlet": (("--engine", f"name=a {ENGINE}", "--against", 2500, f"name=b {ENGINE}", "--out", "@gauntlet"), FULL,
                 "match.json"),
    "teach": (("--teacher", "@teacher.nnue", "--out", "@taught", "--count", 99, "--chunk-rows", 999, "--filter-mib", 1,
               "--data", "@two.pgn"), 3000, "taught"),
    "export": (("@run", "--pgn", "@games.pgn"), FULL, "games.pgn"),
    "loop": (("@loop", "--generations", 1), FULL, "loop"),
    "suite": (("@suite.epd", "--nodes", 20, "--engine", ENGINE, "--json", "@out.json"), FULL, "out.json"),
    "pretrain": (("--data", "@two.pgn", "--net", "16x1", "--batch", 32, "--positions", 32, "--run", "@toy",
                  "--out", "@toy.dit"), FULL, "cache"),
}  # fmt: skip


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "suite.epd").write_text(
        "".join(f"{chess.Board().epd()} bm {move};\n" for move in ("e4", "d4"))
    )
    (tmp_path / "two.pgn").write_text(
        '[Result "1-0"]\n\n1. e4 e5 1-0\n\n[Result "1-0"]\n\n1. d4 d5 1-0\n'
    )
    (tmp_path / "teacher.nnue").write_bytes(material_net_bytes())
    (tmp_path / "run" / "replay").mkdir(parents=True)
    write_segment(
        tmp_path / "run" / "replay",
        1,
        [searched_game(np.random.default_rng(1), chess.STARTING_FEN, 20)[0]],
    )
    return tmp_path


@pytest.mark.parametrize("command", WRITERS)
def test_training_commands_say_which_file_they_cannot_write(command, inputs, capsys):
    words, most, name = WRITERS[command]
    placed = [str(word).replace("@", f"{inputs}/") for word in words]
    err = fails_cleanly(aino_train, [command, *placed], capsys, name, most)
    assert err.startswith(f"aino-train {command}: ")
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_log_that_cannot_grow_does_not_end_the_game():
    lines = ["setoption name LogFile value /dev/full", *START, "quit"]
    done = limited.run("uci", "--config", os.devnull, *MATERIAL, text="\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert chess.Move.from_uci(best_move(done.stdout.splitlines())) in chess.Board().legal_moves


MIB = 1 << 20
ENOUGH = 3000 * MIB  # of address space, with a small tree
# Room for NumPy, whose BLAS ends a process without it, and none for the compiler's library.
TOO_LITTLE = 360 * MIB
LARGEST_HASH = 65536


def engine(most_bytes, *flags, threads=1):
    command = ("uci", "--config", os.devnull, "--threads", threads, *flags)
    return EngineProcess(limited.command(*command, RLIMIT_AS=most_bytes))


@pytest.mark.parametrize(("is_loaded", "word"), [(False, "Hash 256"), (True, "keeping")])
def test_hash_that_does_not_fit_is_refused_and_leaves_the_net(is_loaded, word):
    with engine(ENOUGH, threads=2) as process:
        if is_loaded:
            process.ready()
        process.send(f"setoption name Hash value {LARGEST_HASH}")
        answer = " ".join(process.ready())
        assert "does not fit into memory" in answer
        assert word in answer
        process.send("position startpos", "eval")
        assert not process.read_until("priors:")[-2].startswith("evaluator material")
        lines = process.go("startpos", "nodes 5000")  # enough for all threads to be asked
        assert scored(lines)
        assert not any("search failed" in line for line in lines)


@pytest.mark.parametrize("most", [TOO_LITTLE, 650 * MIB])
def test_an_engine_without_room_for_its_compiler_plays(most):
    with engine(most, "--hash-mib", "1") as process:
        process.send("uci")
        process.read_until("uciok")
        lines = process.ready() + process.go("startpos", "nodes 50")
        assert chess.Board().parse_uci(lines[-1].removeprefix("bestmove ")), "a plain move"
        assert any(line.startswith("info string") and "failed: " in line for line in lines)
        process.send("quit")
        assert process.finish()[0] == 0
