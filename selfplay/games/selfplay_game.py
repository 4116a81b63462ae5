"""One self-play game: both sides search one tree, with noise, temperature and resignation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.board.layout import ROW_WORDS, SIDE
from engine.board.makemove import push
from engine.evaluation.protocol import LeafBatch
from engine.search.select import SearchParams
from selfplay.games.player import RootNoise, TreePlayer, choose_move
from selfplay.games.record import SelfPlayRecord
from selfplay.games.rules import Ending, game_ending
from selfplay.games.settings import GameSettings

__all__ = ["SelfPlayGame", "game_seed"]

U16_MAX = 65_535


def game_seed(run_seed: int, generation: int, number: int) -> list[int]:
    """Seed of a game's generator: the same game is played again after a loss."""
    return [run_seed, generation, number]


class SelfPlayGame:
    """A PooledGame of one evaluator; `record()` once it is finished."""

    evaluator = 0

    def __init__(
        self,
        start: np.ndarray,
        settings: GameSettings,
        params: SearchParams,
        run_seed: int,
        generation: int,
        number: int,
    ) -> None:
        self.number = number
        self._generation = generation
        self._settings = settings
        self._rng = np.random.default_rng(game_seed(run_seed, generation, number))
        self._stack = np.zeros((settings.longest + 2, ROW_WORDS), np.uint64)
        self._stack[0] = start
        self._ply = 0
        self._player = TreePlayer(params, max(settings.visits, settings.fast_visits))
        self._resignable = self._rng.random() >= settings.play_through
        self._hopeless = [0, 0]  # moves in a row that each side thought it was lost
        self._ending = game_ending(self._stack[0], 0, settings.longest)
        self._moves: list[int] = []
        self._full: list[bool] = []
        self._targets: list[tuple[np.ndarray, np.ndarray]] = []
        self._root_wdl: list[tuple[float, float, float]] = []
        if not self.finished:
            self._begin_move()

    @property
    def finished(self) -> bool:
        """Whether the game is over."""
        return self._ending is not None

    @property
    def moves_played(self) -> int:
        """Moves so far."""
        return len(self._moves)

    def gather(self, leaves: Sequence[LeafBatch], filled: Sequence[int]) -> bool:
        """Play moves until a leaf needs an evaluation; False once the game is over."""
        while not self.finished:
            if self._player.gather(leaves[0], filled[0]):
                return True
            self._play_move()
        return False

    def apply(self, leaves: LeafBatch, slot: int) -> None:
        """Take the evaluation of the leaf gathered last."""
        self._player.apply(leaves, slot)

    def record(self) -> SelfPlayRecord:
        """The finished game."""
        assert self._ending is not None
        ending, points = self._ending
        empty = [np.zeros(0, np.uint16)]
        return SelfPlayRecord(
            generation=self._generation,
            number=self.number,
            white_points=points,
            ending=ending,
            start=self._stack[0].copy(),
            moves=np.array(self._moves, np.uint16),
            full=np.array(self._full, np.bool_),
            target_counts=np.array([len(moves) for moves, _ in self._targets], np.uint8),
            target_moves=np.concatenate([moves for moves, _ in self._targets] or empty),
            target_visits=np.concatenate([visits for _, visits in self._targets] or empty),
            root_wdl=np.array(self._root_wdl, np.float16).reshape(-1, 3),
        )

    def _begin_move(self) -> None:
        settings = self._settings
        full = bool(self._rng.random() < settings.full_share)
        noisy = full and settings.noise_share > 0
        noise = RootNoise(self._rng, settings.noise_share, settings.noise_alpha) if noisy else None
        self._full.append(full)
        visits = settings.visits if full else settings.fast_visits
        self._player.begin(self._stack[: self._ply + 1], visits, noise)

    def _play_move(self) -> None:
        """Record the search's result, then resign or make the move."""
        search, settings = self._player.search, self._settings
        early = self._ply < settings.temperature_plies
        chosen = choose_move(search, settings.temperature if early else settings.late_temperature, self._rng)
        wdl = search.root_wdl()
        self._note(chosen, wdl)
        if self._resigns(wdl[0] - wdl[2]):
            self._ending = Ending.RESIGNATION, 1 if self._stack[self._ply, SIDE] == 1 else -1
            return
        push(self._stack, self._ply, np.uint16(self._moves[-1]))
        self._ply += 1
        self._ending = game_ending(self._stack[self._ply], self._ply, settings.longest)
        if not self.finished:
            self._begin_move()

    def _note(self, chosen: int, wdl: tuple[float, float, float]) -> None:
        search = self._player.search
        visits = search.root_visits()
        best = int(search.best_order()[0])
        if search.root_proven()[best] > 0:
            # A forced win needs no visits to be the target.
            visits = np.where(np.arange(len(visits)) == best, 1, 0)
        visited = np.flatnonzero(visits)
        moves = search.root_moves()
        self._moves.append(int(moves[chosen]))
        self._targets.append((moves[visited].astype(np.uint16), np.minimum(visits[visited], U16_MAX).astype(np.uint16)))
        self._root_wdl.append(wdl)

    def _resigns(self, value: float) -> bool:
        side = int(self._stack[self._ply, SIDE])
        self._hopeless[side] = self._hopeless[side] + 1 if value < self._settings.resign_below else 0
        return self._resignable and self._hopeless[side] >= self._settings.resign_moves
