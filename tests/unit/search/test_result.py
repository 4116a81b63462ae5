"""Scores in the units that are shown."""

from engine.search.result import centipawns, mate_moves, per_mille


def test_scores_follow_the_stated_formulas():
    assert centipawns(0.0) == 0
    assert centipawns(0.5) == -centipawns(-0.5) == 89
    assert mate_moves(1, True) == 1
    assert mate_moves(3, True) == 2
    assert mate_moves(2, False) == -1
    assert sum(per_mille(0.25, 0.5)) == 1000
    assert per_mille(1.0, 0.3) == (1000, 0, 0)
