"""What a search tells of its lines, and scores in the units that are shown."""

import chess

from engine.search.limits import Limits
from engine.search.result import centipawns, mate_moves, per_mille
from tests.unit.search.trees import FlatEvaluator, engine, search_alone

BACK_RANK = "6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1"


def test_lines_never_tried_are_worth_what_the_evaluator_says():
    with engine(multi_pv=8) as player:
        player.set_position(chess.Board(BACK_RANK))
        for _ in range(2):
            result = player.search(Limits(nodes=200, mate=1))
            best, *rest = result.infos
            assert best.score_mate == 1
            assert len(rest) == 7
            for info in rest:  # FlatEvaluator says 0: win 0.3, draw 0.4, loss 0.3
                assert info.score_mate is None
                assert -60 < info.score_cp < 0
                assert info.wdl[1] == 400


def test_lines_beside_a_mate_are_searched_until_the_limit():
    """Stockfish goes on, too; a mate in one had ended the search of every line."""
    result = search_alone(BACK_RANK, 200, FlatEvaluator(), multi_pv=3)
    assert result.nodes == result.infos[0].nodes == 200
    assert [info.score_mate for info in result.infos] == [1, None, None]
    assert [child.visits > 10 for child in result.children[:3]] == [False, True, True]


def test_lines_that_lose_are_shown_as_mates_behind_all_others():
    # whoever lets go of the first rank is mated
    fen = "6k1/8/8/8/8/8/r4PPP/3R2K1 w - - 0 1"
    infos = search_alone(fen, 3000, FlatEvaluator(), multi_pv=40).infos
    losing = [info for info in infos if info.score_mate is not None and info.score_mate < 0]
    mates = {info.pv[0].uci(): info.score_mate for info in losing}
    assert mates["d1d3"] == mates["d1d6"] == -2  # the rook may come back once
    assert infos[-len(losing) :] == losing
    for info in losing:
        assert info.score_cp < -10_000
        assert info.wdl == (0, 0, 1000)


def test_scores_follow_the_stated_formulas():
    assert centipawns(0.0) == 0
    assert centipawns(0.5) == -centipawns(-0.5) == 89
    assert mate_moves(1) == 1
    assert mate_moves(3) == 2
    assert mate_moves(2) == -1
    assert sum(per_mille(0.25, 0.5)) == 1000
    assert per_mille(1.0, 0.3) == (1000, 0, 0)
