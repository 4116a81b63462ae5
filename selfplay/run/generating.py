"""The first phase of a generation: self-play games into the replay, with settings that guard
against two failures.

Games that all end in draws teach nothing: where the last generation's share of draws is above
`most_draws`, the next one begins more of its games from the opening set and samples its moves by
temperature for longer. Wrong resignations teach falsehoods: games played through show how many
there are, and the threshold sinks until they are few. What is done follows from the published games
alone, so an interrupted generation continues with the same settings.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import chain

import numpy as np

from engine.board.layout import SIDE
from engine.native.uptime import uptime_s
from selfplay.games.game_settings import GameSettings
from selfplay.interrupt import Report, Stop, Tell
from selfplay.records.game import SelfPlayRecord
from selfplay.records.replay import ReplayWriter, published_games, published_generations
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import ledger_row
from selfplay.run.phase_games import GenerationTask, PlayBackend

# Count wrong resignations over this many newest generations; one has too few games played through.
GENERATIONS = 4
LEAST_MEASURED = 20  # fewest given-up games from which an error rate is taken
STEPS = 5  # halvings of the threshold's distance to -1 before resigning is turned off
NEVER = -1.0


@dataclass(frozen=True)
class SelfPlaySummary:
    """Statistics of a generation's games, and the guarded settings they were played with.

    given_up: games played through in which a side would have resigned; wrong: those of them that it
    did not lose.
    """

    games: int
    drawn: int
    given_up: int
    wrong: int
    resign_below: float
    opening_share: float
    temperature_plies: int

    @property
    def drawn_share(self) -> float:
        return self.drawn / max(1, self.games)


def summarise(games: Sequence[SelfPlayRecord], settings: GameSettings) -> SelfPlaySummary:
    return SelfPlaySummary(
        games=len(games),
        drawn=sum(game.white_points == 0 for game in games),
        given_up=sum(game.played_through and game.gave_up != 0 for game in games),
        wrong=sum(game.wrongly_given_up for game in games),
        resign_below=settings.resign_below,
        opening_share=settings.opening_share,
        temperature_plies=settings.temperature_plies,
    )


def guarded_settings(
    settings: GameSettings, run: RunFolder, generation: int
) -> tuple[GameSettings, list[str]]:
    """Return (settings of a generation's games, after the self-play before it; which were changed,
    and why).
    """
    numbers = published_generations(run.replay, generation - GENERATIONS, generation - 1)
    generations = [published_games(run.replay, number) for number in numbers]
    result = guarded(settings, generations)
    if result == settings:
        return settings, []
    newest = summarise(generations[-1], settings)
    draws = (
        f"{newest.drawn_share:.0%} of the games of generation {numbers[-1]} were drawn, "
        f"more than games.most_draws = {settings.most_draws:.0%}"
    )
    wrong = f"more than games.resign_errors = {settings.resign_errors:.0%} of the latest resignations were wrong"
    why = {"opening_share": draws, "temperature_plies": draws, "resign_below": wrong}
    reasons = [
        f"games.{name} is {value:g} instead of {getattr(settings, name):g}, because {why[name]}"
        for name, value in asdict(result).items()
        if value != getattr(settings, name)
    ]
    return result, reasons


def guarded(
    settings: GameSettings, generations: Sequence[Sequence[SelfPlayRecord]]
) -> GameSettings:
    """Return the settings after these generations, oldest first."""
    games = list(chain(*generations))
    if not games:
        return settings
    below = safe_threshold(
        games, settings.resign_below, settings.resign_moves, settings.resign_errors
    )
    newest = summarise(generations[-1], settings)
    excess = max(0.0, newest.drawn_share - settings.most_draws)
    excess /= max(1e-9, 1.0 - settings.most_draws)
    return replace(
        settings,
        resign_below=below,
        opening_share=settings.opening_share + excess * (1.0 - settings.opening_share),
        temperature_plies=round(settings.temperature_plies * (1.0 + excess)),
    )


def giving_up(game: SelfPlayRecord, below: float, moves: int) -> int:
    """Return the first side with root values under `below` at `moves` of its moves in a row; coded
    as `gave_up`.
    """
    hopeless = game.root_wdl[:, 0].astype(np.float64) - game.root_wdl[:, 2] < below
    if hopeless.sum() < moves:
        return 0
    in_a_row = [0, 0]
    for ply, lost in enumerate(hopeless):
        side = (int(game.start[SIDE]) + ply) % 2
        if lost:
            in_a_row[side] += 1
        else:
            in_a_row[side] = 0
        if in_a_row[side] >= moves:
            return 1 - 2 * side
    return 0


def safe_threshold(
    games: Sequence[SelfPlayRecord], below: float, moves: int, errors: float
) -> float:
    """Return the highest threshold, from `below` down, at which at most `errors` (a share) of
    resignations are wrong.

    The games played through decide this. A threshold with too few resignations to judge counts as
    safe. Returns -1 (never resign) if no threshold is safe.
    """
    played_through = [game for game in games if game.played_through]
    for step in range(STEPS + 1):
        # By this form, the first one is `below` to the bit.
        threshold = below + (NEVER - below) * (1.0 - 0.5**step)
        given_up = 0
        wrong = 0
        for game in played_through:
            if side := giving_up(game, threshold, moves):
                given_up += 1
                wrong += side * game.white_points >= 0
        if given_up < LEAST_MEASURED or wrong <= errors * given_up:
            return threshold
    return NEVER


class _Collector:
    """Takes the games of a generation as they end: into the replay and the ledger."""

    def __init__(self, run: RunFolder, generation: int, writer: ReplayWriter) -> None:
        self._ledger = run.ledger
        self._generation = generation
        self._writer = writer
        self._begun_with = len(writer.games)
        self._positions = 0  # of games played since
        self._started = uptime_s()
        self._ledger.note_games(generation, map(ledger_row, writer.games.values()), anew=True)

    def take(self, record: SelfPlayRecord) -> None:
        self._writer.append(record)
        self._ledger.note_games(self._generation, [ledger_row(record)])
        self._positions += len(record.moves)

    @property
    def speed(self) -> str:
        """Games and positions a second, in words."""
        seconds = uptime_s() - self._started
        games = len(self._writer.games) - self._begun_with
        return f"{games / seconds:,.2f} games/s, {self._positions / seconds:,.1f} positions/s"


def generate_games(
    run: RunFolder,
    generation: int,
    report: Report,
    tell: Tell,
    stop: Stop,
    play: PlayBackend,
) -> bool:
    """Play the generation's missing games with the best network; True once it is published, False
    if stopped.
    """
    with closing(ReplayWriter(run.replay, generation)) as writer:
        if writer.cut_bytes:
            tell(
                f"replay of generation {generation}: cut {writer.cut_bytes} damaged bytes; their games are played again"
            )
        settings, changes = guarded_settings(run.config.games, run, generation)
        for change in changes:
            tell(change)
        missing = [number for number in range(settings.count) if number not in writer.games]
        collector = _Collector(run, generation, writer)

        def finish(record: SelfPlayRecord) -> None:
            collector.take(record)
            done = len(writer.games)
            report(done / settings.count, f"{done}/{settings.count} games, {collector.speed}")

        play(_task(run, generation, settings), missing, finish, stop)
        # There are more games if the setting was lowered meanwhile.
        if len(writer.games) < settings.count:
            return False
        _publish(run, generation, writer, settings, tell)
        if missing:
            positions = sum(len(game.moves) for game in writer.games.values())
            tell(
                f"generation {generation}: {len(writer.games)} games, {positions:,} positions ({collector.speed})"
            )
        return True


def _task(run: RunFolder, generation: int, settings: GameSettings) -> GenerationTask:
    """Return the generation's games with the best network."""
    return GenerationTask(
        run.config.seed,
        generation,
        settings,
        nets=(run.best,),
        openings=run.opening_rows(),
        net=run.config.net,
        search=run.config.search,
    )


def _publish(
    run: RunFolder, generation: int, writer: ReplayWriter, settings: GameSettings, tell: Tell
) -> None:
    """Close a generation that has all its games, and tell how they ended."""
    summary = summarise(list(writer.games.values()), settings)
    run.ledger.note_self_play(generation, asdict(summary))
    writer.publish()
    tell(
        f"generation {generation}: {summary.drawn_share:.0%} drawn; resigning below "
        f"{summary.resign_below:g} was wrong in {summary.wrong} of {summary.given_up} games played through"
    )
