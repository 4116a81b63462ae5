"""The third phase of a generation: candidate against best network, and promotion if it wins."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from engine.board.layout import SIDE
from engine.files.dit_file import load_tensors
from selfplay.games.pool import PooledGame
from selfplay.games.seats import Seating, game_params
from selfplay.interrupt import Report, Stop, Tell
from selfplay.matches.opening_book import OpeningRows
from selfplay.matches.statistics import SprtState, estimate_elo, leading_pairs
from selfplay.run.config import GateSettings
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import GateRecord, GateResult
from selfplay.run.phase_games import PlayBackend, PlayTask, play_numbers

OPENING_STREAM = 0x6A7E  # separates the choice of gate openings from other random numbers


class GateGame(PooledGame):
    """A game of two evaluators, each with its own tree, without noise, and its best move. In odd
    ones the candidate has Black.
    """

    def __init__(self, number: int, start: np.ndarray, visits: int, longest: int) -> None:
        super().__init__(number, start, longest)
        self._visits = visits

    @property
    def evaluator(self) -> int:
        """Evaluator of the side to move: 0 = candidate, 1 = best network. White has 0 in
        even-numbered games.
        """
        return int(self._stack[self.ply, SIDE]) ^ (self.number & 1)

    def record(self) -> GateRecord:
        assert self._ending is not None
        ending, points = self._ending
        if self.number % 2:
            points = -points
        return GateRecord(self.number, (1 + points) / 2, self.ply, ending.name.lower())

    def make_move(self) -> None:
        root = self._players[self.evaluator].search.root()
        self._play(root.moves[root.best()])

    def _begin_move(self) -> None:
        self._players[self.evaluator].begin(self._stack[: self.ply + 1], self._visits)


@dataclass(frozen=True)
class GateTask(PlayTask):
    """The games of a gate between two networks, the candidate first.

    Attributes:
        gate: their limits.
    """

    gate: GateSettings

    def new_game(self, number: int) -> GateGame:
        order = np.random.default_rng([self.seed, self.generation, OPENING_STREAM]).permutation(
            len(self.openings)
        )
        return GateGame(
            number, self.openings[order[number // 2]], self.gate.visits, self.gate.longest
        )

    def seating(self) -> Seating:
        return Seating(
            self.settings.concurrent, game_params(self.search), self.gate.visits, self.gate.longest
        )

    def shortest(self) -> Self:
        return replace(self, gate=replace(self.gate, visits=2, longest=2))


class GateTest:
    """The games of a gate, and the test that they decide.

    Pairs count in their order up to the first that is not complete, and what follows a decision is
    ignored: the verdict does not depend on which games happened to finish first.

    Attributes:
        points: the candidate's, by game number.
    """

    def __init__(self, settings: GateSettings, points: Mapping[int, float]) -> None:
        self.points = dict(points)
        self._settings = settings
        self._state = SprtState()
        self._follow()

    def note(self, number: int, points: float) -> None:
        self.points[number] = points
        self._follow()

    def _follow(self) -> None:
        pairs = leading_pairs(self.points)[: self._settings.pairs]
        self._state = self._settings.sprt().follow(pairs, self._state)

    @property
    def verdict(self) -> GateResult | None:
        """The games' decision, or None while it is open."""
        state, settings = self._state, self._settings
        if state.decision is None and sum(state.pentanomial) < settings.pairs:
            return None
        estimate = estimate_elo(np.array(state.pentanomial))
        accepted = state.decision
        if accepted is None:
            accepted = settings.accept_score < 1.0 and estimate.score >= settings.accept_score
        return GateResult(
            accepted=accepted, decided=state.decision is not None,
            pentanomial=state.pentanomial, llr=state.llr, score=estimate.score, elo=estimate.elo,
            elo_low=estimate.elo_low, elo_high=estimate.elo_high,
        )  # fmt: skip

    @property
    def progress(self) -> tuple[float, str]:
        """(share of the games that were played, a text about them); at least one game."""
        score = np.mean(list(self.points.values()))
        text = f"{len(self.points)} games, score {score:.1%}, LLR {self._state.llr:+.2f}"
        return len(self.points) / (2 * self._settings.pairs), text


def gate(
    run: RunFolder,
    generation: int,
    report: Report,
    tell: Tell,
    stop: Stop,
    play: PlayBackend = play_numbers,
) -> GateResult | None:
    """Play the remaining games, save the verdict and promote an accepted candidate; None if
    stopped.

    No opening is played by two pairs: nothing is random in a gate, so the second pair would repeat
    the first.
    """
    openings = run.opening_rows()
    settings = replace(run.config.gate, pairs=min(run.config.gate.pairs, len(openings)))
    conditions = _conditions(run, generation, openings)
    played = run.ledger.gate_points(generation)
    test = GateTest(settings, played.get(conditions, {}))
    result = run.ledger.gates().get(generation) or test.verdict
    if result is None and (waiting := sum(map(len, played.values())) - len(test.points)):
        tell(
            f"generation {generation}: {waiting} gate games were played under other settings and do not count"
        )

    def finish(game: GateRecord) -> None:
        nonlocal result
        run.ledger.note_gate_game(generation, conditions, game)
        test.note(game.number, game.candidate_points)
        result = result or test.verdict
        report(*test.progress)

    if result is None:
        numbers = [number for number in range(2 * settings.pairs) if number not in test.points]
        task = _task(run, generation, openings)
        play(task, numbers, finish, lambda: result is not None or stop())
    if result is None:
        return None
    # We save the verdict before the promotion: a crash in between repeats the promotion, never the
    # match.
    run.ledger.note_gate(generation, result)
    if result.accepted:
        run.promote(generation)
    return result


def _task(run: RunFolder, generation: int, openings: OpeningRows) -> GateTask:
    """Return the games between a generation's candidate and the best network."""
    return GateTask(
        run.config.seed,
        generation,
        run.config.games,
        (run.candidate(generation), run.best),
        openings,
        run.config.gate,
        net=run.config.net,
        search=run.config.search,
    )


def _conditions(run: RunFolder, generation: int, openings: OpeningRows) -> str:
    """Return a name for all that a gate's games depend on besides their numbers: networks, openings
    and limits.
    """
    settings = run.config.gate
    limits = (
        f"{run.config.seed} {generation} {settings.visits} {settings.longest} {run.config.search}"
    )
    digest = hashlib.sha256((limits + "\n".join(openings.openings)).encode())
    for path in (run.candidate(generation), run.best):
        for tensor in load_tensors(path)[1].values():  # files also hold their date
            digest.update(tensor.tobytes())
    return digest.hexdigest()
