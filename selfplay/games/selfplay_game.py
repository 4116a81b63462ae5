"""One self-play game: both sides search one tree, with noise, temperature and resignation."""

from typing import NamedTuple

import numpy as np

from engine.board.layout import SIDE
from engine.search.move_choice import choose_move
from engine.search.search_tree_state import Search, add_root_noise
from engine.search.tree.root import Root
from selfplay.games.game_settings import GameSettings
from selfplay.games.pool import PooledGame
from selfplay.records.endings import Ending, points_if_lost
from selfplay.records.game import SelfPlayRecord
from selfplay.records.positions import UNKNOWN_SCORE
from selfplay.records.targets import score_from_value

U16_MAX = 65_535
# A move with fewer gives no value target: its value is hardly more than the network's own.
LEAST_VISITS = 8


class PolicyTarget(NamedTuple):
    """What a search leaves of the n moves of its root."""

    moves: np.ndarray  # uint16 [n]
    weights: np.ndarray  # uint16 [n]: visits, or 1 for a move that is known to win alone.
    values: np.ndarray  # float64 [n]: win minus loss, in [-1, 1].
    is_valued: np.ndarray  # bool [n]: whether the value says more than the network's own.


class SelfPlayGame(PooledGame):
    """A game of one evaluator with itself."""

    def __init__(
        self, start: np.ndarray, settings: GameSettings, run_seed: int, generation: int, number: int
    ) -> None:
        super().__init__(number, start, settings.longest)
        self._generation = generation
        self._settings = settings
        # Replays a lost game identically.
        self._rng = np.random.default_rng([run_seed, generation, number])
        self._played_through = bool(self._rng.random() < settings.play_through)
        self._hopeless = [0, 0]  # moves in a row at which each side judged itself lost
        self._gave_up = 0  # first side with a reason to resign: 1 White, -1 Black
        self._moves: list[int] = []
        self._full: list[bool] = []
        self._targets: list[PolicyTarget] = []
        self._root_wdl: list[tuple[float, float, float]] = []

    @property
    def start(self) -> np.ndarray:
        """Start position, uint64[16]."""
        return self._stack[0].copy()

    def make_move(self) -> None:
        """Record the search's result, then resign or make the move, and begin the next one."""
        root = self._players[0].search.root()
        chosen = self._choose(root)
        move = root.moves[chosen]
        self._moves.append(int(move))
        self._targets.append(_policy_target(root, chosen))
        self._root_wdl.append(root.wdl())
        if self._resigns(root.position.q):
            self._ending = Ending.RESIGNATION, points_if_lost(self._stack[self.ply])
            return
        self._play(move)

    def record(self) -> SelfPlayRecord:
        assert self._ending is not None
        ending, points = self._ending
        targets = _joined(self._targets)
        is_target = targets.weights > 0
        return SelfPlayRecord(
            generation=self._generation,
            number=self.number,
            white_points=points,
            ending=ending,
            start=self.start,
            moves=np.array(self._moves, np.uint16),
            full=np.array(self._full, np.bool_),
            target_counts=np.array(
                [np.count_nonzero(target.weights) for target in self._targets], np.uint8
            ),
            target_moves=targets.moves[is_target],
            target_visits=targets.weights[is_target],
            target_scores=_scores(targets)[is_target],
            root_wdl=np.array(self._root_wdl, np.float16).reshape(-1, 3),
            played_through=self._played_through,
            gave_up=self._gave_up,
        )

    def _begin_move(self) -> None:
        settings = self._settings
        full = bool(self._rng.random() < settings.full_share)
        self._full.append(full)
        visits = settings.fast_visits
        noise = None
        if full:
            visits = settings.visits
        if full and settings.noise_share > 0:
            noise = self._add_noise
        self._players[0].begin(self._stack[: self.ply + 1], visits, noise)

    def _add_noise(self, search: Search) -> None:
        add_root_noise(search, self._rng, self._settings.noise_share, self._settings.noise_alpha)

    def _choose(self, root: Root) -> int:
        """Choose the move to play, by index."""
        temperature = self._settings.late_temperature
        if self.ply < self._settings.temperature_plies:
            temperature = self._settings.temperature
        return choose_move(root, temperature, self._rng)

    def _resigns(self, value: float) -> bool:
        side = int(self._stack[self.ply, SIDE])
        if value < self._settings.resign_below:
            self._hopeless[side] += 1
        else:
            self._hopeless[side] = 0
        if self._gave_up == 0 and self._hopeless[side] >= self._settings.resign_moves:
            self._gave_up = 1 - 2 * side
        return self._gave_up != 0 and not self._played_through


def _policy_target(root: Root, chosen: int) -> PolicyTarget:
    """Return what a move's search leaves to learn from."""
    weights = np.minimum(root.visits, U16_MAX).astype(np.uint16)
    if root.proven[chosen] > 0:
        # A forced win is the target even without visits.
        weights[:] = 0
        weights[chosen] = 1
    is_proven = root.proven != 0
    return PolicyTarget(
        root.moves,
        weights,
        values=np.where(is_proven, root.proven, root.q),
        is_valued=is_proven | (root.visits >= LEAST_VISITS),
    )


def _joined(targets: list[PolicyTarget]) -> PolicyTarget:
    """Return the targets of a game, one behind the other."""
    nothing = PolicyTarget(
        np.zeros(0, np.uint16), np.zeros(0, np.uint16), np.zeros(0), np.zeros(0, np.bool_)
    )
    return PolicyTarget(*map(np.concatenate, zip(nothing, *targets, strict=True)))


def _scores(targets: PolicyTarget) -> np.ndarray:
    """Return the scores of moves, int16 [n]. All of a game are converted at once: a call for each
    move would cost more than the search of a few visits.
    """
    scores = score_from_value(targets.values)
    scores[~targets.is_valued] = UNKNOWN_SCORE
    return scores
