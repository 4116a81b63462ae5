"""Test suites and puzzles: reading them with their deviations, and what counts as solved."""

import gzip
import json
import re
import tracemalloc
from contextlib import closing
from dataclasses import replace
from itertools import product
from statistics import median

import chess
import pytest

from engine.board.pgn.move_words import legal_move
from engine.errors import DataError, MoveError
from selfplay.matches.control import TimeControl
from selfplay.suites import solver
from selfplay.suites.epd import parse_epd_line, read_epd
from selfplay.suites.problem import Problem, read_puzzles
from selfplay.suites.score import grouped, solve_all, solve_problem, tally
from selfplay.suites.solver import BestMove, Solver
from tests.selfplay.matches.rows import ENGINE, scripted

BACK_RANK = "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - -"  # Ra8 mates
CASTLING = "r3k2r/pppppppp/8/8/8/8/PPPPPPPP/R3K2R w KQkq -"


PUZZLES = """PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags
two,8/1k6/6R1/7n/8/8/8/K2R4 b - - 0 1,b7a7 d1d7 a7a8 g6g8,1500,80,90,7,mate mateIn2,,
one,6k1/1p3ppp/8/8/8/8/5PPP/R4K2 b - - 0 1,b7b6 a1a8,900,80,90,7,mate,,
"""


class Repeater:
    """A solver that answers with given moves, one search after another."""

    def __init__(self, *answers, mate=None):
        self.answers = list(answers)
        self.mate = mate
        self.fresh = []

    def solve(self, board, fresh):
        self.fresh.append(fresh)
        moves = [board.parse_uci(word) for word in self.answers.pop(0).split()]
        return [BestMove(10 * n, n, move, self.mate) for n, move in enumerate(moves, 1)]

    def close(self): ...


def problem(line):
    return parse_epd_line(line, "suite:1", "suite.1")


def solved(task, *answers, mate=None):
    return solve_problem(task, Repeater(*answers, mate=mate)).solved


@pytest.mark.parametrize(
    ("text", "uci"),
    [
        ("kf1", "e1f1"), ("E2E4", "e2e4"), ("e1h1", "e1g1"), ("Ra1-b1", "a1b1"), ("0-0-0", "e1c1"),
        ("b8=q!", "b7b8q"), ("B7B8Q", "b7b8q"), ("bxc8=N", "b7c8n"),
    ],
)  # fmt: skip
def test_moves_are_read_in_many_forms(text, uci):
    board = chess.Board("r1b1k2r/pPpppppp/8/8/8/8/P1PPPPPP/R3K2R w KQkq - 0 1")
    assert legal_move(board, text).uci() == uci


@pytest.mark.parametrize("text", ["Nf3", "O-O-O-O", "0000"])
def test_what_is_no_move_is_refused(text):
    with pytest.raises(MoveError, match="no legal move"):
        legal_move(chess.Board(CASTLING + " 0 1"), text)


def test_operations_survive_loose_writing():
    task = problem(f"{CASTLING} ; bm Rb1 0-0 1.Rd1 + ; id LOOSE.07 c0 stray; am h4;\0")
    assert task.best == {"a1b1", "e1g1", "a1d1"}
    assert task.avoid == {"h2h4"}
    assert task.name == "LOOSE.07 c0 stray"


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("WAC.001", "WAC"),
        ("STS(v1.0) Undermine.014", "STS(v1.0) Undermine"),
        ("LCTPOS01 (d6!)", "LCTPOS"),
        ("with; semicolon 4: Back rank", "Back rank"),
    ],
)
def test_running_numbers_make_groups(name, group):
    assert problem(f'{BACK_RANK} bm Ra8; id "{name}";').groups == (group,)


def test_quotes_in_a_name_are_escaped():
    task = problem(rf'{BACK_RANK} bm Ra8; id "the \"big\" one, C:\\x, \"1\"";')
    assert task.name == r'the "big" one, C:\x, "1"'


@pytest.mark.parametrize(
    "grades",
    [
        'c0 "Ra8=100, Kf1=30, h4=5"',
        'c0 "Ra8 = 100, Kf1 = 30, h4 =5"',
        'c7 "Ra8 Kf1 h4"; c8 "100 30 5"',
        'c8 "100 30 5"; c9 "a1a8 g1f1 h2h4"; c0 "not=grades at all"',
    ],
)
def test_graded_moves_give_points(grades):
    task = problem(f"{BACK_RANK} bm Ra8; {grades};")
    assert task.points == {"a1a8": 100, "g1f1": 30, "h2h4": 5}
    outcomes = [solve_problem(task, Repeater(move)) for move in ("a1a8", "g1f1", "g2g3")]
    assert [outcome.points for outcome in outcomes] == [100, 30, 0]
    score = tally(outcomes)
    assert score.solved == 1
    assert score.points == 130
    assert score.most_points == 300


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{BACK_RANK} bm Qa8", "'Qa8' is no legal move"), (f'{BACK_RANK} id "x"; c0 "a game";', "no solution"),
        (f"{BACK_RANK} bm Ra8; am Ra8;", "bm and am name the same moves"), ("8/8/8/8/8/8/8/8 w - - bm Ka1", "king"),
        ("8/8", "2 ranks instead of 8"), ("7k/5Q2/6K1/8/8/8/8/8 b - - dm 1;", "no legal move"),
    ],
)  # fmt: skip
def test_bad_lines_are_named_while_the_suite_goes_on(line, expected, tmp_path, caplog):
    path = tmp_path / "bad.epd"
    path.write_text(f"{BACK_RANK} bm Ra8;\n{line}\n")
    assert [task.name for task in read_epd(path)] == ["bad.1"]
    (warning,) = caplog.messages
    assert re.search(rf"bad\.epd:2: .*{expected}.*; skipping this line", warning)
    path.write_text(line)
    with pytest.raises(DataError, match=rf"bad\.epd:1: .*{expected}"):
        read_epd(path)


LOOSELY_WRITTEN = (
    "\t\tbm   Ra8",
    "\u00a0bm\u00a0Ra8\u00a0;\r",
    ";bm Ra8;;",
    "0 1; bm Ra8;",
    "acd 12; acn 1000; bm Ra8; ce 99; pv Ra8; noop; c0;",
    'bm Ra8#; c0 "a;b"; c1 ""; id;',
    'id "never closed; bm Ra8;',
    r'a "foo\"bar; hmvc 7; bm h4";; ; b "foo\\"; bm Ra8;',  # as python-chess writes quotes
    r'c0 "C:\dir\"; bm Ra8; id "x";',
    'bm "Ra8";',
    "bm 1. Ra8;",
    "\u2013 bm a1-a8;",
)


@pytest.mark.parametrize(
    ("operations", "fen"),
    [
        (" 3 40 bm Ra8;", "3 40"),
        ('bm Ra8; id "hmvc 7; bm h4"; fmvn 40; hmvc 3;', "3 40"),
        ("hmvc\t3;bm\tRa8;fmvn\t40", "3 40"),
        *product(LOOSELY_WRITTEN, ["0 1"]),
    ],
)
def test_operations_separated_by_anything_lose_nothing(operations, fen):
    task = problem(f"{BACK_RANK.replace(' ', chr(9))} {operations}")
    assert task.best == {"a1a8"}
    assert task.fen == f"{BACK_RANK} {fen}"


def test_a_suite_in_chess960_keeps_its_castling(tmp_path, caplog):
    path = tmp_path / "own.epd"
    path.write_text("4k3/8/8/8/8/8/8/1RK4R w KQ - bm O-O O-O-O; id 960;\n")
    (task,) = read_epd(path)
    assert task.best == {"c1h1", "c1b1"}
    assert task.board().chess960
    assert ["own.epd:1: castling" in text for text in caplog.messages] == [True]
    assert solved(task, "c1h1")


def test_a_suite_is_read_as_other_programs_save_and_pack_it(tmp_path):
    lines = ["# M\u00fcller", "% no position", "// nor this", ""]
    lines += [f'{BACK_RANK} bm Ra8; id "M\u00fcller";', f"{BACK_RANK} am h4"]
    path = tmp_path / "own.epd"
    path.write_bytes(gzip.compress("\r".join(lines).encode("utf-16")))
    assert [task.name for task in read_epd(path)] == ["M\u00fcller", "own.6"]


def test_fen_files_ask_for_a_mate(tmp_path):
    path = tmp_path / "mate2.fen"
    path.write_text(f"{BACK_RANK} 0 1\n")
    (task,) = read_epd(path)
    assert task.mate_in == 2
    with pytest.raises(DataError, match="no solution"):
        read_epd(path.rename(tmp_path / "other.fen"))


@pytest.fixture
def puzzles(tmp_path):
    (tmp_path / "puzzles.csv").write_text(PUZZLES)
    return tmp_path / "puzzles.csv"


def test_puzzles_begin_after_the_opponents_move(puzzles):
    ladder, back_rank = read_puzzles(puzzles)
    assert chess.Board(ladder.fen).turn == chess.WHITE
    assert ladder.line == ("d1d7", "a7a8", "g6g8")
    assert ladder.groups == ("rating 1400-1599", "mate", "mateIn2")
    assert back_rank.best == {"a1a8"}


def test_a_few_puzzles_of_many_are_drawn_in_little_memory(puzzles):
    few = read_puzzles(puzzles)
    puzzles.write_text(PUZZLES + PUZZLES[PUZZLES.index("one") :] * 9_000)
    tracemalloc.start()
    assert read_puzzles(puzzles, limit=1)[0] in few
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_a_row_that_is_no_puzzle_is_skipped_with_a_word(puzzles, caplog):
    puzzles.write_text(PUZZLES.replace(" g6g8", ""))
    assert len(read_puzzles(puzzles)) == 1
    assert ["puzzles.csv:2: " in text and "skipping" in text for text in caplog.messages] == [True]
    puzzles.write_text("".join(PUZZLES.replace(" g6g8", "").splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match="an odd number"):
        read_puzzles(puzzles)


@pytest.mark.parametrize(
    ("operations", "answers"),
    [
        # a mate is always right
        ("bm Kf1 h4; am h3", {"g1f1": True, "h2h4": True, "h2h3": False, "g2g3": False, "a1a8": True}),
        ("am h3", {"h2h3": False, "h2h4": True}),
    ],
)  # fmt: skip
def test_what_solves_a_problem(operations, answers):
    task = problem(f"{BACK_RANK} {operations};")
    assert {move: solved(task, move) for move in answers} == answers


@pytest.mark.parametrize("mates", ["dm 2", "bm #2", "3 8 bm #+2"])
def test_a_mate_in_two_is_solved_by_one_that_is_no_longer(mates):
    """A mate for a best move, as `matetrack` has it, was an illegal move."""
    mate = problem(f"{BACK_RANK} {mates};")
    assert mate.mate_in == 2
    assert mate.best == frozenset()
    assert [solved(mate, "g1f1", mate=announced) for announced in (None, -1, 1, 2, 3)] == [
        False, False, True, True, False,
    ]  # fmt: skip


def test_solutions_count_since_they_were_kept():
    task = problem(f"{BACK_RANK} bm h4;")
    outcome = solve_problem(task, Repeater("h2h4 g1f1 h2h4 h2h4"))
    assert outcome.found_nodes == 30
    assert outcome.nodes == 40
    assert solve_problem(task, Repeater("h2h4 h2h4 g1f1")).found_nodes is None


def test_a_puzzle_is_solved_by_all_its_moves(puzzles):
    ladder = read_puzzles(puzzles)[0]
    solver = Repeater("d1d7", "a1b1 g6g8 g6g8")
    outcome = solve_problem(ladder, solver)
    assert outcome.solved
    assert outcome.played == ["d1d7", "g6g8"]
    assert outcome.found_nodes == 20
    assert solver.fresh == [True, False]
    half = solve_problem(ladder, Repeater("d1d7", "g6g1"))
    assert not half.solved
    assert half.points == 0
    assert half.played == ["d1d7", "g6g1"]
    other_mate = replace(ladder, line=("d1d7", "a7a8", "d7d8"))
    assert solved(other_mate, "d1d7", "g6g8"), "as good at the end"


def test_groups_are_in_order_where_a_stop_left_the_rest_out():
    problems = [problem(f'{BACK_RANK} bm h4; id "P.{n}";') for n in range(6)]
    seen = []
    solve_all(problems, lambda: Repeater(*["h2h4"] * 6), 2, seen.append, lambda: len(seen) >= 2)
    assert 2 <= len(seen) < 6
    names = ("rating 1000-1199", "rating 800-999", "fork")
    outcome = solve_problem(replace(problem(f"{BACK_RANK} bm h4;"), groups=names), Repeater("h2h4"))
    assert list(grouped([outcome])) == ["fork", "rating 800-999", "rating 1000-1199"]


def scripted_solver(*how):
    return closing(Solver(scripted("scripted", *how), TimeControl(nodes=100)))


def test_the_lines_of_a_uci_engine_are_steps_of_its_answer():
    with scripted_solver("score", "15") as solver:
        first = next(iter(chess.Board().legal_moves))
        answer = solver.solve(chess.Board(), fresh=True)
    assert [(step.nodes, step.move, step.mate) for step in answer] == [(77, first, None)] * 2


@pytest.mark.parametrize(
    ("how", "fault"), [("pass", "no move in a position"), ("hang", "no answer after 3.000 s")]
)
def test_an_engine_at_fault_solves_nothing(how, fault, monkeypatch):
    """An illegal move took a minute."""
    monkeypatch.setattr(solver, "ENGINE_PATIENCE_S", 3.0)
    line = Problem("a line", (), chess.STARTING_FEN, line=("g1h3", "g8h6", "h3g1"))
    with scripted_solver(how, "2") as engine:
        outcome = solve_problem(line, engine)
    assert not outcome.solved
    assert outcome.played == ["g1h3"]
    assert fault in outcome.fault


def test_command_shows_what_it_writes(aino_train, tmp_path):
    suite = tmp_path / "own.epd"
    puzzles = tmp_path / "own.txt"
    out = tmp_path / "new" / "out.json"
    suite.write_text("".join(f'{BACK_RANK} bm {move}; id "{theme}.{n}";\n'
                             for theme, move in (("Mate", "Ra8"), ("Wrong", "h4")) for n in range(5)))  # fmt: skip
    puzzles.write_text(PUZZLES)
    engine = "cmd=aino option.Evaluator=material"
    flags = "--nodes", 200, "--engine", engine, "--json", out, "--failed"
    output = aino_train("suite", suite, puzzles, *flags)
    assert output.startswith("12 positions, 200 nodes a move, aino\n"), (
        "nothing was said before the first was solved"
    )
    rows = [line.split()[:4] for line in output.splitlines()]
    for row in ("own.epd 10 10 (100.0%)", "Mate 5 5 (100.0%)", "own.txt 2 2 (100.0%)"):
        assert row.split() in rows
    results = json.loads(out.read_text())
    assert results["limit"] == "200 nodes a move"
    first, second = results["suites"]
    assert first["solved"] == 10
    assert second["problems"][0]["played"] == ["d1d7", "g6g8"]
    assert second["groups"]["mateIn2"]["solved"] == 1
    nodes = [result["found_nodes"] for result in first["problems"][:5]]
    assert 0 < first["groups"]["Mate"]["median_nodes"] == median(nodes) <= 200


def test_suites_of_the_data_folder_are_read(test_data):
    paths = [path for path in (test_data / "suites").iterdir() if "stalemate" not in path.name]
    counts = {path.name: len(read_epd(path)) for path in paths}
    assert counts.items() >= {"wac.epd": 300, "sts_odd.epd": 627, "mate2.fen": 212}.items()
    assert len(read_puzzles(test_data / "puzzles" / "lichess.csv", limit=500)) == 500


def test_engines_words_may_set_the_limit_but_no_clock(aino_train, tmp_path):
    suite, out = tmp_path / "own.epd", tmp_path / "out.json"
    suite.write_text(f"{BACK_RANK} bm Ra8;\n")
    command = "suite", suite, "--json", out, "--engine"
    aino_train(*command, f"{ENGINE} nodes=70")
    assert json.loads(out.read_text())["limit"] == "70 nodes a move"
    aino_train(*command, f"{ENGINE} nodes=70", "--movetime", 0.1)
    assert json.loads(out.read_text())["limit"] == "0.1 s a move"
    assert "no clock" in aino_train(*command, f"{ENGINE} tc=1+0", status=1)


def test_a_suite_goes_on_after_an_engine_died(aino_train, tmp_path):
    suite, out = tmp_path / "five.epd", tmp_path / "out.json"
    suite.write_text(
        "".join(
            f'{chess.Board().epd()} bm Nh3; c0 "Nh3=9"; id "{number}";\n' for number in range(5)
        )
    )
    engine = f'{ENGINE[:-1]} leave 3"'
    assert "2: engine" in aino_train("suite", suite, "--engine", engine, "--json", out)
    (results,) = json.loads(out.read_text())["suites"]
    assert [(result["solved"], bool(result["fault"])) for result in results["problems"]] == [
        (True, False), (True, False), (False, True), (True, False), (True, False),
    ]  # fmt: skip
