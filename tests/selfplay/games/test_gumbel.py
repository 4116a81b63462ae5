"""The Gumbel root: schedule, targets, and games played with it."""

import math

import chess
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.search.session import Search
from engine.search.tree.params import SearchParams
from selfplay.games.gumbel import C_SCALE, C_VISIT, SequentialHalving, halving_schedule
from selfplay.games.seats import Seating, Seats
from tests.selfplay.games.test_games import KeyEvaluator

START = chess.STARTING_FEN
PARAMS = SearchParams(decide_root=False)


def searched(
    fen: str, considered: int, visits: int, rng: np.random.Generator | None = None
) -> tuple[Search, SequentialHalving]:
    table = Seats(KeyEvaluator(), Seating(1, PARAMS, visits, plies=4))
    halving, player = SequentialHalving(considered, visits, rng), table.players[0]
    player.begin_halving(row_from_board(chess.Board(fen))[None], halving)
    while True:
        if not table.gather([0]):
            table.evaluate()
        elif not player.resume():
            return player.search, halving


@pytest.mark.parametrize(
    ("considered", "visits", "phases"),
    [
        (4, 8, [(4, 1), (2, 2)]),
        (16, 64, [(16, 1), (8, 2), (4, 4), (2, 8)]),
        (16, 200, [(16, 3), (8, 6), (4, 12), (2, 25), (2, 25)]),
        (1, 5, [(1, 5)]),
    ],
)
def test_every_phase_gets_its_share(considered: int, visits: int, phases: list[tuple[int, int]]) -> None:
    assert halving_schedule(considered, visits) == phases


def test_schedule_spends_all_visits() -> None:
    for considered in range(1, 20):
        for visits in range(considered, 90):
            phases = halving_schedule(considered, visits)
            assert sum(moves * each for moves, each in phases) >= visits
            assert sum(moves * each for moves, each in phases[:-1]) < visits


def test_visits_follow_the_schedule() -> None:
    search, halving = searched(START, 4, 32)
    visits = np.sort(search.root().visits)[::-1]
    # Phases (4, 4), (2, 8): two moves end with 12 visits, two with 4; the root has its own visit beside.
    assert visits[:5].tolist() == [12, 12, 4, 4, 0]
    assert search.visits == 33
    assert search.root().visits[halving.best] == 12
    assert len(search.root().moves) == 20


def test_likely_moves_are_considered_and_noise_varies_them() -> None:
    search, _ = searched(START, 4, 32)
    assert set(np.argsort(-search.root().priors)[:4]) == set(np.flatnonzero(search.root().visits))
    chosen = {searched(START, 4, 16, np.random.default_rng(seed))[1].best for seed in range(12)}
    assert len(chosen) > 3


def test_target_is_the_formula_of_the_paper() -> None:
    search, halving = searched(START, 4, 32)
    root = search.root()
    visits, priors, q = root.visits, root.priors.astype(float), root.q
    seen = [k for k in range(20) if visits[k] > 0]
    own = -(search.tree.value_sum[0] + sum(visits[k] * q[k] for k in seen))
    mean = sum(priors[k] * q[k] for k in seen) / sum(priors[k] for k in seen)
    mixed = (own + 32 * mean) / 33
    scores = [
        PARAMS.policy_temperature * math.log(priors[k])
        + (C_VISIT + 12) * C_SCALE * ((q[k] if k in seen else mixed) + 1) / 2
        for k in range(20)
    ]
    expected = np.exp(np.array(scores) - max(scores))
    assert np.allclose(halving.improved_policy(search.root()), expected / expected.sum(), atol=1e-6)


def test_target_is_better_than_the_policy_by_the_search_s_own_values() -> None:
    for seed in range(8):
        search, halving = searched(START, 8, 48, np.random.default_rng(seed))
        root = search.root()
        seen = root.visits > 0
        q, priors = root.q[seen], root.priors[seen]
        target = halving.improved_policy(search.root())[seen]
        assert (target * q).sum() / target.sum() > (priors * q).sum() / priors.sum()


def test_mate_is_the_whole_target_and_an_only_move_gets_all_visits() -> None:
    search, halving = searched("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1", 8, 40, np.random.default_rng(1))
    assert search.root().moves[halving.best] == chess.A1 | chess.A8 << 6
    assert halving.improved_policy(search.root())[halving.best] == 1.0
    search, halving = searched("k7/8/1K6/8/8/8/8/1R6 b - - 0 1", 8, 10)
    assert (halving.best, search.root().visits.tolist()) == (0, [10])
