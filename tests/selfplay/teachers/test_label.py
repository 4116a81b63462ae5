"""`aino-train label`: right labels, each position once, nothing lost by a kill, faulty engines survived."""

import gzip
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest

from engine.board.fen import parse_fen
from engine.board.layout import KEY
from engine.errors import ConfigError, DataError
from engine.files.atomic import atomic_write
from selfplay.data.pgn import read_pgn
from selfplay.data.teacher import parse_teacher_line, read_teacher
from selfplay.lock import file_lock, folder_lock
from selfplay.matches.contestant import Contestant
from selfplay.records.collect import collect
from selfplay.teachers.label_positions import LabelFile, labelled_keys
from selfplay.teachers.label_tasks import positions_of_file, positions_of_trees, tasks_of_games
from selfplay.teachers.uci_engine import UciEngine, parse_info
from tests.selfplay import scripted_engine
from tests.selfplay.conftest import random_game
from tests.selfplay.scripted_engine import score_of

TEACHER = [sys.executable, scripted_engine.__file__, "teacher"]
ENGINE = " ".join(TEACHER)
EPD = [
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - bm e4;",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 7 12",
    "8/P6k/8/8/8/8/p6K/8 w - -",
    "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9",
]


@pytest.fixture
def pgn_file(tmp_path: Path) -> Path:
    """Three random games of 12 plies from the start position, with results."""
    rng, path = np.random.default_rng(3), tmp_path / "games.pgn"
    with open(path, "w", encoding="ascii") as stream:
        for result in ("1-0", "0-1", "1/2-1/2"):
            game = chess.pgn.Game.from_board(random_game(rng, 12))
            game.headers["Result"] = result
            print(game, file=stream, end="\n\n")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "labels" / "new.txt.xz"


@pytest.fixture
def label(out: Path, aino_train: Callable[..., str]) -> Callable[..., str]:
    """Runs the command, which asks the scripted engine and writes to `out`; returns what it printed."""

    def call(*flags: object, engine: str = ENGINE, status: int = 0) -> str:
        return aino_train("label", "--engine", engine, "--out", out, *flags, status=status)

    return call


def lines_of(path: Path) -> list[str]:
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="ascii") as stream:
        return stream.read().splitlines()


def check_labels(line: str, multipv: int = 5) -> int:
    """Compares every label of a line with the scripted engine's scores; returns their plies."""
    fen, _, body = line.split("|")
    board, labelled = parse_fen(fen, chess960=True), 0
    board.chess960 = board.has_chess960_castling_rights()
    for ply in body.split(";"):
        played, _, labels = ply.partition(":")
        if labels:
            legal = [move.uci() for move in board.legal_moves]
            best = sorted(legal, key=lambda move: (-score_of(move), move))[:multipv]
            assert sorted(labels.split(",")) == sorted(f"{move}={score_of(move)}" for move in best)
            labelled += 1
        board.push_uci(played)
    return labelled


# ---- the command --------------------------------------------------------------------------------------------------


def test_positions_of_a_list_are_labelled(tmp_path: Path, out: Path, label: Callable[..., str]) -> None:
    (tmp_path / "positions.epd").write_text("# a comment\n" + "\n".join(EPD) + "\n")
    assert "4 positions of 100,000: the sources have no more" in label("--data", tmp_path / "positions.epd")
    lines = lines_of(out)
    assert [line.split("|")[1] for line in lines] == ["*"] * 4
    assert sum(check_labels(line) for line in lines) == 4
    assert "a7a8q:a7a8q=31997" in lines[2]
    packed, illegal = collect(read_teacher(out))
    assert (packed.n_games, illegal) == (4, 0)
    assert packed.usable.all()
    assert packed.wdl[2, 0] > 0.99
    assert sorted(one.name for one in out.parent.iterdir()) == ["new.teacher.json", "new.txt.xz"]


def test_games_are_labelled_once_a_position(tmp_path, pgn_file, out, label, aino_train):
    label("--data", pgn_file, "--multipv", 3, "--concurrency", 2)
    lines = sorted(lines_of(out))
    assert sorted(line.split("|")[1] for line in lines) == ["0-1", "1-0", "1/2-1/2"]
    assert sum(check_labels(line, 3) for line in lines) == 34  # the start position counts once, not three times
    keys = labelled_keys(out)
    assert len(set(keys.tolist())) == len(keys) == 34
    again = tmp_path / "again.txt.xz"
    aino_train("label", "--engine", ENGINE, "--data", pgn_file, "--out", again, "--known", out)
    assert lines_of(again) == []


def test_positions_that_a_search_looks_at_are_labelled(pgn_file: Path, out: Path, label: Callable[..., str]) -> None:
    parents = list(tasks_of_games(read_pgn(pgn_file), per_game=4, seed=7))
    tasks = list(positions_of_trees(parents, per_tree=5, nodes=50, seed=3))
    assert 30 <= len(tasks) <= 90  # of 12 trees
    keys = {int(task.stack[0, KEY]) for task in tasks}
    assert len(keys) == len(tasks)
    assert len(keys & {int(key) for parent in parents for key in parent.stack[:, KEY]}) <= 12  # hardly the games' own
    assert all(any(chess.Board(task.fen).generate_legal_moves()) for task in tasks)
    assert [task.fen for task in positions_of_trees(parents, 5, 50, 3)] == [task.fen for task in tasks]

    label("--data", pgn_file, "--per-game", 4, "--seed", 3, "--tree", 5, "--tree-visits", 50, "--count", 20)
    assert sum(check_labels(line) for line in lines_of(out)) == 20
    assert all(line.split("|")[1] == "*" for line in lines_of(out))


def test_finished_labels_can_be_extended(pgn_file: Path, out: Path, label: Callable[..., str]) -> None:
    assert "10 positions" in label("--data", pgn_file, "--count", 10)
    first = lines_of(out)
    assert "10 positions so far" in label("--data", pgn_file, "--count", 20)
    assert lines_of(out)[: len(first)] == first
    assert sum(check_labels(line) for line in lines_of(out)) == 20


def test_labels_of_another_teacher_are_not_mixed_in(tmp_path: Path, out: Path, label: Callable[..., str]) -> None:
    positions, note = tmp_path / "positions.epd", out.with_name("new.teacher.json")
    positions.write_text("\n".join(EPD) + "\n")
    label("--data", positions, "--count", 2)
    lines = lines_of(out)
    assert "holds labels of another teacher" in label("--data", positions, "--nodes", 5, status=1)
    assert "holds labels of another teacher" in label("--data", positions, engine=f"{ENGINE} crash 9", status=1)
    assert lines_of(out) == lines
    note.write_text(note.read_text(), encoding="utf-8-sig")  # as Notepad of Windows saves it
    label("--data", positions, "--count", 2)
    note.unlink()
    assert "holds labels of another teacher" in label("--data", positions, status=1), "it does not tell"
    note.write_text("[")
    assert "not a record" in label("--data", positions, status=1)
    out.unlink()
    label("--data", positions, engine=f"{ENGINE} crash 9")
    assert len(lines_of(out)) == 4


@pytest.mark.parametrize(("how", "lost"), [("crash", 2), ("hang", 2), ("illegal", 0)])
def test_faulty_engines_cost_one_position(pgn_file, out, label, how, lost):
    printed = label("--data", pgn_file, "--timeout", 2 if how == "hang" else 120, engine=f"{ENGINE} {how} 15")
    skipped = printed.count("skipping the position")  # every new engine misbehaves at its 15th search
    assert skipped == lost or (how == "hang" and skipped > lost), "on a busy machine others may look as if they hung"
    packed, illegal = collect(read_teacher(out))
    assert illegal == 0
    assert packed.usable.sum() == 34 - skipped


def test_an_engine_that_always_dies_ends_the_work(pgn_file: Path, label: Callable[..., str]) -> None:
    assert "died" in label("--data", pgn_file, engine=f"{ENGINE} crash 1", status=1)


def test_bad_flags_are_refused(tmp_path: Path, pgn_file: Path, label: Callable[..., str]) -> None:
    assert "--data" in label(status=1)
    assert "--nodes" in label("--data", "x", "--nodes", 0, status=1)
    assert ".txt.xz" in label("--data", pgn_file, "--out", tmp_path / "new.txt", status=1)


def test_label_locked_a_whole_folder_and_left_a_file_there(out, tmp_path, label, aino_train):
    (tmp_path / "positions.epd").write_text("\n".join(EPD) + "\n")
    flags = ["--data", tmp_path / "positions.epd"]
    with file_lock(out), folder_lock(out.parent, "a match"):
        assert "another process is writing it" in label(*flags, status=1)
        aino_train("label", "--engine", ENGINE, *flags, "--out", out.with_name("second.txt.xz"))
    label(*flags)
    names = {one.name for one in out.parent.iterdir()}
    assert names == {f"{name}.{end}" for name in ("new", "second") for end in ("teacher.json", "txt.xz")}


def test_labels_of_another_kind_of_positions_went_into_the_same_file(out, pgn_file, label):
    label("--data", pgn_file, "--count", 3)
    for flag in (["--held-out"], ["--tree", 3, "--tree-visits", 8]):
        told = label("--data", pgn_file, *flag, status=1)
        assert f"({flag[0].removeprefix('--').replace('-', '_')}; see new.teacher.json)" in told


# ---- parts --------------------------------------------------------------------------------------------------------


def test_info_lines_as_engines_print_them() -> None:
    assert parse_info("info depth 9 multipv 2 score cp -31 nodes 7 pv e2e4 e7e5") == (2, "e2e4", -31)
    assert parse_info("info score mate 4 wdl 1000 0 0 pv h7h8q") == (1, "h7h8q", 31_996)
    assert parse_info("info score mate -2 pv a1a2") == (1, "a1a2", -31_998)
    assert parse_info("info score cp 99999 pv a1a2") == (1, "a1a2", 30_000)
    for text in ("score cp 5 upperbound pv a1a2", "string score cp 5", "score cp 5", "score x y pv z"):
        assert parse_info(f"info {text}") is None


def test_engines_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="does not start"):
        UciEngine(Contestant("none", ("/does/not/exist",)))
    with pytest.raises(ConfigError, match="does not start"):
        UciEngine(Contestant("none", (sys.executable, "-c", "pass")))
    with pytest.raises(ConfigError, match="no UCI option 'Level'"):
        UciEngine(Contestant("teacher", tuple(TEACHER), (("Level", "3"),)))


def test_torn_line_is_cut_and_other_damage_told(tmp_path: Path, teacher_lines: list[str]) -> None:
    for name in "ab":
        (tmp_path / f"{name}.teacher.json").write_text("{}")
    with atomic_write(tmp_path / "a.txt.part") as stream:
        stream.write((teacher_lines[0] + "\n" + teacher_lines[1][:70]).encode())
    out = LabelFile(tmp_path / "a.txt.xz", {})
    out.close()
    assert out.cut_bytes == 70
    assert lines_of(out.part) == teacher_lines[:1]
    (tmp_path / "b.txt.part").write_text("nonsense\n" + teacher_lines[0] + "\n")
    with pytest.raises(DataError, match=r"b\.txt\.part:1"):
        LabelFile(tmp_path / "b.txt.xz", {})


def test_positions_without_label_or_result() -> None:
    fen = chess.STARTING_FEN
    record = parse_teacher_line(f"{fen}|*|e2e4;e7e5:e7e5=0,c7c5=-10;g1f3")
    assert record.usable.tolist() == [False, True, False]
    assert record.target_counts.tolist() == [0, 2, 0]
    assert record.wdl[[0, 2]].tolist() == [[0, 0, 0]] * 2
    assert record.wdl[1].sum() == pytest.approx(1.0)
    decided = parse_teacher_line(f"{fen}|1-0|e2e4;e7e5:e7e5=0,c7c5=-10;g1f3")
    assert decided.wdl[2].tolist() == [1, 0, 0]
    assert decided.wdl[1, 2] > record.wdl[1, 2]
    assert parse_teacher_line(f"{fen}|1-0|e2e4;e7e5").usable.tolist() == [False, False]


def test_broken_position_lists_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "x.epd").write_text(EPD[0] + "\n8/8/8 w - -\n")
    with pytest.raises(DataError, match=r"x\.epd:2"):
        list(positions_of_file(tmp_path / "x.epd"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
def test_position_lists_are_read_in_every_encoding_with_their_clocks(encoding, pack, tmp_path, caplog):
    path = tmp_path / ("x.epd" if pack(b"") == b"" else "x.epd.gz")
    pawn = "4k3/8/8/8/8/8/4P3/4K3"
    lines = ["# M\u00fcller", f"{pawn}\tw KQ -\tce 9;hmvc 12; fmvn 40", "", f"{pawn} w - - 3 4;"]
    path.write_bytes(pack("\r\n".join(lines).encode(encoding)))
    assert [task.fen for task in positions_of_file(path)] == [f"{pawn} w - - 12 40", f"{pawn} w - - 3 4"]
    assert ["no rook to castle with" in text for text in caplog.messages] == [True, True]
    path.write_bytes(pack(f"{lines[1]}\n".encode() * 30))
    caplog.clear()
    assert len(list(positions_of_file(path))) == 30
    assert len(caplog.messages) == 21
    assert "40 more notes" in caplog.messages[-1]


def test_stockfish_labels_a_game(pgn_file: Path, out: Path, label: Callable[..., str], stockfish: str) -> None:
    label("--data", pgn_file, "--count", 12, "--nodes", 500, engine=stockfish)
    packed, illegal = collect(read_teacher(out))
    assert illegal == 0
    assert packed.usable.sum() == 12
    assert np.diff(packed.target_first)[packed.usable].min() >= 1
