"""A score of mate comes with a line that mates in so many moves, and the ponder move with the line of the best one."""

from collections.abc import Sequence
from itertools import chain

import chess
import pytest

from engine import Engine
from engine.evaluation import MaterialEvaluator
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.result import SearchInfo, SearchResult
from tests.regression.test_mates import IN_ONE, IN_THREE, IN_TWO

CHECKED = "8/8/2p5/8/2P1p1Pp/1P2Pk1P/rpB1bP2/b2Q2K1 w - - 0 1"  # the rules find a mate that 1,000 nodes do not prove
FENS = [CHECKED, *IN_ONE.values(), *IN_TWO, *IN_THREE]
LIMITS = [Limits(nodes=1), Limits(nodes=60), Limits(nodes=1000), Limits(white_time_ms=900, black_time_ms=900)]


def check_line(board: chess.Board, info: SearchInfo) -> None:
    line = board.copy()
    for move in info.pv:
        assert line.is_legal(move), f"{board.fen()}: {info}"
        line.push(move)
    if info.score_mate is not None:
        plies = 2 * info.score_mate - 1 if info.score_mate > 0 else -2 * info.score_mate
        assert line.is_checkmate(), f"{board.fen()}: {info}"
        assert len(info.pv) == plies, f"{board.fen()}: {info}"


def check_result(board: chess.Board, result: SearchResult) -> None:
    for info in result.infos:
        check_line(board, info)
        child = next(child for child in result.children if child.move == info.pv[0])
        assert (child.mate, list(child.pv)) == (info.score_mate, info.pv)
    line = result.infos[0].pv
    assert (result.best_move, result.ponder_move) == (line[0], line[1] if len(line) > 1 else None)


def search_to_the_end(player: Engine, board: chess.Board, limits: Limits) -> int:
    """Play both sides, and check all lines; returns the number of those with a mate."""
    mates = 0
    while not board.is_game_over(claim_draw=True) and board.ply() < 12:
        player.set_position(board)
        told: list[Sequence[SearchInfo]] = []
        check_result(board, player.search(limits, told.append))
        for info in chain.from_iterable(told):
            check_line(board, info)
        mates += sum(info.score_mate is not None for info in told[-1])
        board.push(told[-1][0].pv[0])
    return mates


@pytest.mark.parametrize("limits", LIMITS, ids=["1 node", "60 nodes", "1000 nodes", "clock"])
@pytest.mark.parametrize("options", [{}, {"multi_pv": 4}, {"multi_pv": 3, "analyse_mode": True}], ids=str)
def test_a_mate_had_been_shown_with_a_line_that_was_none(options: dict[str, object], limits: Limits) -> None:
    """Both sides of positions with mates, played on: mates for the mover and against it."""
    with Engine(EngineOptions(hash_mib=4, threads=1, **options), MaterialEvaluator()) as player:
        assert sum(search_to_the_end(player, chess.Board(fen), limits) for fen in FENS) > 20


def test_lines_of_a_tree_that_forgot_its_proofs_are_no_mates_or_whole_ones() -> None:
    """A tree of 1 MiB is full before this mate is found."""
    with Engine(EngineOptions(hash_mib=1, threads=1, multi_pv=20), MaterialEvaluator()) as player:
        for fen in ("8/8/8/8/8/2k5/2q5/K7 b - - 0 1", "7k/8/8/8/8/3K4/8/6R1 w - - 0 1", next(iter(IN_THREE))):
            player.set_position(chess.Board(fen))
            check_result(chess.Board(fen), player.search(Limits(nodes=40_000)))


def test_a_mate_by_the_rules_is_shown_with_its_line_by_the_default_network() -> None:
    with Engine(EngineOptions(hash_mib=16, threads=1)) as player:
        player.set_position(chess.Board(CHECKED))
        result = player.search(Limits(nodes=1000))
    check_result(chess.Board(CHECKED), result)
    assert result.infos[0].score_mate == 3
