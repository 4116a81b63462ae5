"""One self-play game: both sides search one tree, with noise, temperature and resignation."""

import numpy as np

from engine.board.layout import SIDE
from engine.search.choice import choose_move
from engine.search.session import Search, add_root_noise
from engine.search.tree.root import Root
from selfplay.games.game_settings import GameSettings
from selfplay.games.pool import PooledGame
from selfplay.records.endings import Ending
from selfplay.records.game import SelfPlayRecord
from selfplay.records.positions import UNKNOWN_SCORE
from selfplay.records.targets import score_from_value

U16_MAX = 65_535
# A move with fewer gives no value target: its value is hardly more than the network's own.
LEAST_VISITS = 8


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
        self._targets: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._root_wdl: list[tuple[float, float, float]] = []

    @property
    def start(self) -> np.ndarray:
        """Start position, uint64[16]."""
        return self._stack[0].copy()

    def make_move(self) -> None:
        """Record the search's result, then resign or make the move, and begin the next one."""
        root = self._players[0].search.root()
        self._note(root, *self._choose(root))
        if self._resigns(root.position.q):
            self._ending = Ending.RESIGNATION, 1 if self._stack[self.ply, SIDE] == 1 else -1
            return
        self._play(np.uint16(self._moves[-1]))

    def record(self) -> SelfPlayRecord:
        assert self._ending is not None
        ending, points = self._ending
        empty = [np.zeros(0, np.uint16)]
        return SelfPlayRecord(
            generation=self._generation, number=self.number, white_points=points, ending=ending, start=self.start,
            moves=np.array(self._moves, np.uint16), full=np.array(self._full, np.bool_),
            target_counts=np.array([len(moves) for moves, _, _ in self._targets], np.uint8),
            target_moves=np.concatenate([moves for moves, _, _ in self._targets] or empty),
            target_visits=np.concatenate([visits for _, visits, _ in self._targets] or empty),
            target_scores=np.concatenate([scores for _, _, scores in self._targets] or [np.zeros(0, np.int16)]),
            root_wdl=np.array(self._root_wdl, np.float16).reshape(-1, 3), played_through=self._played_through,
            gave_up=self._gave_up,
        )  # fmt: skip

    def _begin_move(self) -> None:
        settings = self._settings
        full = bool(self._rng.random() < settings.full_share)
        self._full.append(full)
        visits = settings.visits if full else settings.fast_visits
        noisy = full and settings.noise_share > 0
        self._players[0].begin(
            self._stack[: self.ply + 1], visits, self._add_noise if noisy else None
        )

    def _add_noise(self, search: Search) -> None:
        add_root_noise(search, self._rng, self._settings.noise_share, self._settings.noise_alpha)

    def _choose(self, root: Root) -> tuple[int, np.ndarray]:
        """Choose the move to play and the policy target by visits."""
        settings = self._settings
        early = self.ply < settings.temperature_plies
        chosen = choose_move(
            root, settings.temperature if early else settings.late_temperature, self._rng
        )
        visits = root.visits
        if root.proven[chosen] > 0:
            # A forced win is the target even without visits.
            visits = np.where(np.arange(len(visits)) == chosen, 1, 0)
        return chosen, np.minimum(visits, U16_MAX)

    def _note(self, root: Root, chosen: int, target: np.ndarray) -> None:
        weights = target.astype(np.uint16)
        proven = root.proven
        weighty = np.flatnonzero(weights)
        scores = score_from_value(np.where(proven != 0, proven, root.q))
        scores[(proven == 0) & (root.visits < LEAST_VISITS)] = UNKNOWN_SCORE
        self._moves.append(int(root.moves[chosen]))
        self._targets.append((root.moves[weighty], weights[weighty], scores[weighty]))
        self._root_wdl.append(root.wdl())

    def _resigns(self, value: float) -> bool:
        side = int(self._stack[self.ply, SIDE])
        self._hopeless[side] = (
            self._hopeless[side] + 1 if value < self._settings.resign_below else 0
        )
        if self._gave_up == 0 and self._hopeless[side] >= self._settings.resign_moves:
            self._gave_up = 1 - 2 * side
        return self._gave_up != 0 and not self._played_through
