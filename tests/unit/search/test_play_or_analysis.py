"""Whether a `go` asks for a move of a game or for analysis: one decision, and what each of its
consequences does.
"""

from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from itertools import product

import chess
import numpy as np
import pytest

from engine import Engine
from engine.evaluation import MaterialEvaluator
from engine.evaluation.tablebase import Tablebase
from engine.options import EngineOptions
from engine.search.book import PolyglotBook
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.move_choice import SearchRequest
from tests.boards import moves_in
from tests.regression.test_endings import check_result
from tests.unit.search.test_book import write_book
from tests.unit.search.trees import alone, search_nodes

BOOK_MOVE, OTHER = moves_in("b1a3 e2e4")
CLOCKS = {"white_time_ms": 2_000, "black_time_ms": 2_000}
KINDS = {
    "clock": Limits(**CLOCKS),
    "movetime": Limits(movetime_ms=100),
    "nodes": Limits(nodes=40),
    "depth": Limits(depth=2),
    "nodes and a clock": Limits(nodes=40, **CLOCKS),
    "mate": Limits(mate=1, nodes=40),
    "infinite": Limits(infinite=True),
    "infinite and a clock": Limits(infinite=True, **CLOCKS),
    "ponder by the clock": Limits(ponder=True, **CLOCKS),
    "ponder": Limits(ponder=True, nodes=40),
}
ANALYSIS = {"mate", "infinite", "infinite and a clock"}
UNLIKE = ("clock", "nodes", "mate", "infinite", "ponder")  # each goes another way through a search


@pytest.fixture
def book_file(tmp_path):
    return str(write_book(tmp_path / "book.bin", [(chess.Board(), BOOK_MOVE.uci(), 1)]))


def search(player, limits):
    """Search; where the result would be held back, only a little."""
    job = SearchJob()
    if limits.infinite or limits.ponder:
        job.stop()
    return player.search(limits, None, job)


def test_every_combination_is_a_game_or_analysis_in_all_that_differs(book_file):
    """`OwnBook` had wanted a clock, contempt none of `infinite`, and lines beside wins neither
    clock nor ponder.
    """
    switches = product(KINDS, *[(False, True)] * 3, (1, 5), (0, 30), ((), (OTHER,), (BOOK_MOVE,)))
    with closing(PolyglotBook(book_file)) as book:
        for kind, analyse_mode, limited, has_book, multi_pv, contempt, searchmoves in switches:
            options = EngineOptions(
                analyse_mode=analyse_mode,
                limit_strength=limited,
                multi_pv=multi_pv,
                contempt=contempt,
                temperature=1.0,
            )
            limits = replace(KINDS[kind], searchmoves=searchmoves)
            order = SearchRequest(chess.Board(), limits, options, np.random.default_rng(1), -9.0)
            plays = kind not in ANALYSIS and not analyse_mode
            assert order.plays == plays, kind
            assert (order.strength is not None) == (plays and limited)
            assert order.temperature == (1.0 if plays else 0.0)
            assert (order.draw_score(90.0) < 0.0) == (plays and contempt > 0)
            assert order.by_the_clock == (plays and "clock" in kind)
            assert order.lines == (1 if order.by_the_clock or kind == "mate" else multi_pv)
            assert order.patience_s > 0.0 or limited
            book_move = BOOK_MOVE if plays and has_book and OTHER not in searchmoves else None
            assert order.book_move(book if has_book else None) == book_move
            order.job.ponderhit()
            assert order.is_over() == (kind in ("clock", "movetime", "nodes and a clock")), (
                "from the ponderhit on"
            )


@pytest.mark.parametrize("kind", KINDS)
def test_the_book_is_played_in_games_alone(book_file, kind):
    options = EngineOptions(hash_mib=8, threads=1, own_book=True, book_file=book_file)
    with Engine(options, MaterialEvaluator()) as player:
        if "ponder" in kind:
            job = player.start(KINDS[kind])
            with pytest.raises(TimeoutError):
                job.result(0.1)
            job.ponderhit()
            result = job.result(120)
        else:
            result = search(player, KINDS[kind])
        assert (result.best_move == BOOK_MOVE) == (not result.infos) == (kind not in ANALYSIS)
        player.set_options(replace(options, analyse_mode=True))
        assert search(player, KINDS[kind]).infos, "it has searched"
        player.set_options(replace(options, book_depth=0))
        assert search(player, KINDS[kind]).infos


def test_a_book_file_in_the_users_folder_is_found(book_file, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, book_file.removesuffix("book.bin"))
    with alone(own_book=True, book_file="~/book.bin") as player:
        assert search_nodes(player, 5).best_move == BOOK_MOVE


# ---- endings that are solved ---------------------------------------------------------------------

ENDINGS = (
    "8/8/8/3k4/8/8/8/KR6 w - - 0 1",
    "8/8/8/3k4/8/8/8/KQ6 w - - 0 1",
    "8/8/8/3k4/7r/8/8/KQ6 w - - 0 1",
    "8/8/8/3k4/8/8/8/KBN5 w - - 0 1",
    "8/8/8/3k4/8/8/8/KBN5 b - - 0 1",
    "8/8/8/3k4/8/8/8/KBN5 w - - 90 1",  # too late
    "8/8/8/8/8/2k5/8/K5Q1 w - - 0 1",  # some moves lose the queen
)


@pytest.fixture(scope="module")
def player():
    with alone(evaluator=MaterialEvaluator()) as player:
        yield player


@pytest.mark.parametrize("fen", ENDINGS)
def test_as_many_lines_are_shown_as_were_asked_for(player, fen):
    """A root that a game restricts to the best moves had shown two lines of five."""
    board = chess.Board(fen)
    options = EngineOptions(hash_mib=8, threads=1)
    analyst = replace(options, analyse_mode=True)
    limited = replace(options, limit_strength=True, elo=2500)
    # A search that has little time does not wait until the ending is solved.
    Tablebase("").ranks(board, Future.result)
    for kind, mode in [*product(UNLIKE, (options, analyst)), ("nodes", limited)]:
        results = {}
        for multi_pv in (1, 5, 218) if kind == "nodes" else (1, 5):
            player.set_options(replace(mode, multi_pv=multi_pv))
            player.new_game()
            player.set_position(board)
            results[multi_pv] = result = search(player, KINDS[kind])
            lines = [info.pv[0] for info in result.infos]
            assert len(set(lines)) == len(lines) == min(multi_pv, board.legal_moves.count()), kind
            assert lines[0] == result.best_move
            check_result(board, result)
            if mode is not limited:
                worths = [
                    info.wdl[0] - info.wdl[2] + 1.0 / (info.score_mate or 1000)
                    for info in result.infos
                ]
                assert worths == sorted(worths, reverse=True), kind
        if "nodes" in kind and mode is not limited:
            assert len({result.best_move for result in results.values()}) == 1, (
                "lines that are shown change no move"
            )


@pytest.mark.parametrize(("turn", "mate"), [("w", 30), ("b", -30)])
def test_the_mate_of_a_solved_ending_is_told_in_analysis(player, turn, mate):
    """98% at most, and no mate, where play knew the way."""
    player.set_options(EngineOptions(hash_mib=8, threads=1, multi_pv=3, analyse_mode=True))
    board = chess.Board(f"8/8/8/8/3k4/8/8/KBN5 {turn} - - 0 1")
    Tablebase("").ranks(board, Future.result)  # A busy machine may solve it too late.
    lines = []
    player.set_position(board)
    player.search(Limits(movetime_ms=1000), lines.append)
    for infos in lines:
        first = infos[0]
        assert (first.score_mate, first.score_cp) == (mate, 20_000 if mate > 0 else -20_000)
        assert first.tbhits == 0, "Aino's own solution is no hit in a file"
        assert None not in [info.score_mate for info in infos]
        assert {info.wdl for info in infos} == {(1000, 0, 0) if mate > 0 else (0, 0, 1000)}
