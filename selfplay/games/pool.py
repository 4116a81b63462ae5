"""Many games at once: one leaf of each in a batch an evaluator, evaluated, given back, and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from engine.evaluation.protocol import Evaluator, LeafBatch, new_leaf_batch

__all__ = ["PooledGame", "play_games"]


class PooledGame(Protocol):
    """A game that asks for one evaluation at a time."""

    @property
    def finished(self) -> bool:
        """Whether the game is over."""
        ...

    @property
    def evaluator(self) -> int:
        """Number of the evaluator that the side to move plays with."""
        ...

    def gather(self, leaves: Sequence[LeafBatch], filled: Sequence[int]) -> bool:
        """Play on until an evaluation is needed and put its leaf behind the filled ones; False once finished."""
        ...

    def apply(self, leaves: LeafBatch, slot: int) -> None:
        """Take the evaluation of that leaf."""
        ...


Game = TypeVar("Game", bound=PooledGame)


def play_games(
    games: Iterator[Game],
    evaluators: Sequence[Evaluator],
    concurrent: int,
    finish: Callable[[Game], None],
    stop: Callable[[], bool],
) -> None:
    """Play the games, `concurrent` at a time; `finish` gets each one as it ends. Stops between batches when asked.

    A game's course does not depend on its company: evaluators promise the same bits for a leaf in any batch.
    """
    batches = [new_leaf_batch(concurrent) for _ in evaluators]
    active: list[Game] = []
    while not stop():
        while len(active) < concurrent and (game := next(games, None)) is not None:
            active.append(game)
        if not active:
            return
        filled = [0] * len(evaluators)
        waiting: list[tuple[Game, int, int]] = []
        for game in active:
            if game.gather(batches, filled):
                waiting.append((game, game.evaluator, filled[game.evaluator]))
                filled[game.evaluator] += 1
            else:
                finish(game)
        for evaluator, batch, count in zip(evaluators, batches, filled, strict=True):
            if count:
                evaluator.evaluate(batch, count)
        for game, batch_number, slot in waiting:
            game.apply(batches[batch_number], slot)
        active = [game for game, _, _ in waiting]
