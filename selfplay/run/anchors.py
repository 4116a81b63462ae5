"""Measures a run's promoted networks against fixed anchors, a few games each, while the run goes
on.

Every network searches `anchors.nodes` nodes a move. The anchors are Aino with its material
evaluator or its shipped network at a few nodes, the run's first network, and Stockfish at levels of
`UCI_Elo` where it is installed. Ratings are fitted to all games together (`matches.rating`);
Stockfish's levels fix the scale, or else the first anchor that has played is 0. The games are kept
in RUN/anchors, where an interrupted series continues.
"""

import contextlib
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from engine.errors import AinoError, ConfigError
from engine.native.uptime import uptime_s
from engine.options import usable_cpus
from selfplay.families.planes.custom import is_custom
from selfplay.interrupt import Stop, Tell
from selfplay.matches.adjudication import Adjudication, DrawRule, ResignRule
from selfplay.matches.archive import GameRow, MatchArchive, points_of, read_game_rows
from selfplay.matches.contestant import Contestant, engine_command, split_words
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_process import POLL_S
from selfplay.matches.opening_book import load_book
from selfplay.matches.rating import FittedRating, fit_ratings
from selfplay.matches.series import PlannedGame, Series, SeriesSettings
from selfplay.matches.statistics import complete_pairs, score_from_elo
from selfplay.run.config import FIRST_NETWORK, STOCKFISH, AnchorSettings
from selfplay.run.folder import RunFolder

# A move; its weakened levels choose their move at a small depth, long before. Set by hand.
STOCKFISH_NODES = 50_000
AT_START = ("--threads=1", "--hash-mib=32")


class AnchorFit(NamedTuple):
    """What the games say. `networks`: generation -> rating; `anchors`: the others; `games`:
    generation -> games.
    """

    networks: dict[int, FittedRating]
    anchors: dict[str, FittedRating]
    games: dict[int, int]
    scale: str


def network_name(generation: int, nodes: int) -> str:
    """Return the player that is a generation's network with so many nodes a move."""
    return f"gen-{generation:05d}:{nodes}"


def read_anchors(run: Path, settings: AnchorSettings) -> AnchorFit:
    """Return the ratings by the games of a run's folder, even while it goes on. Raises RunError for
    damaged games.
    """
    return _fit(read_game_rows(run / "anchors"), settings)


def _fit(rows: Mapping[int, GameRow], settings: AnchorSettings) -> AnchorFit:
    """Fit to the complete pairs of games."""
    results = _results_of_pairs(rows)
    players = chain(*results)
    levels = {name: float(name.partition(":")[2]) for name in players if name.startswith(STOCKFISH)}
    opponents = [word for word in settings.opponents.split() if word != FIRST_NETWORK]
    met = [name for _, name in results if not name.startswith("gen-")]
    reference = next((name for name in (*opponents, *met) if name in met), opponents[0])
    ratings = fit_ratings(results, levels or {reference: 0.0})
    played = Counter[str]()
    for pair, (_, count) in results.items():
        for name in pair:
            played[name] += round(count)
    networks, anchors = {}, {}
    games = {}
    for name, rating in ratings.items():
        if (network := re.fullmatch(rf"gen-(\d+):{settings.nodes}", name)) is not None:
            networks[int(network[1])] = rating
            games[int(network[1])] = played[name]
        elif not name.startswith("gen-"):
            anchors[name] = rating
    scale = "UCI_Elo of Stockfish" if levels else f"Elo above {reference}"
    return AnchorFit(networks, anchors, games, scale)


def _results_of_pairs(rows: Mapping[int, GameRow]) -> dict[tuple[str, str], tuple[float, float]]:
    """Return (points of the first, games) of the complete pairs, by players."""
    results: dict[tuple[str, str], tuple[float, float]] = {}
    for pair, points in complete_pairs(points_of(rows.values())).items():
        players = rows[2 * pair].players
        points_before, games_before = results.get(players, (0.0, 0.0))
        results[players] = points_before + points, games_before + 2.0
    return results


class AnchorSeries(Series):
    """The games between a run's networks and its anchors, one at a time.

    Raises ConfigError where no anchor can play here.

    Attributes:
        is_limited: whether the games wait until `anchors.cpu_share` allows the next one.
    """

    def __init__(self, run: RunFolder, tell: Tell, halted: Stop) -> None:
        self._run = run
        self._tell = tell
        self._halted = halted
        self._anchors = _anchors(run, tell)
        self._networks = dict[int, Contestant]()
        self.is_limited = True
        self._busy_s = 0.0
        self._began = self._handed_out = uptime_s()
        control = TimeControl(nodes=run.config.anchors.nodes)
        rules = Adjudication(DrawRule(), ResignRule())
        settings = SeriesSettings(
            control=control, openings=load_book(), seed=run.config.seed, longest=run.config.anchors.longest,
            adjudication=rules,
        )  # fmt: skip
        super().__init__(
            settings, MatchArchive(run.path / "anchors", {}, settings.resolved(), "Anchors")
        )
        self.note_networks()

    def note_networks(self) -> None:
        """Look for new promoted networks, and keep the files of those that are not measured yet."""
        rows = self._archive.rows.values()
        self._played = Counter(row.players[0] for row in rows)
        networks, files = self._networks, self._run.candidate
        self._networks = {
            number: networks.get(number) or self._network(number)
            for number in [0, *self._run.ledger.promoted()]
            if files(number).is_file()
        }
        self._run.held = {number for number in self._networks if self._missing(number) > 0}

    def _network(self, number: int) -> Contestant:
        name = network_name(number, self._run.config.anchors.nodes)
        return network_contestant(name, self._run.config.net, self._run.candidate(number))

    @property
    def is_complete(self) -> bool:
        return not self._run.held

    @property
    def missing_games(self) -> int:
        return sum(self._missing(number) for number in self._run.held)

    def next_game(self) -> PlannedGame | None:
        """Return the missing game of a pair, or the first of a new one, once there is time for
        it.
        """
        self._wait()
        self._handed_out = uptime_s()
        rows = self._archive.rows
        players = {
            contestant.name: contestant for contestant in [*self._networks.values(), *self._anchors]
        }
        for row in rows.values():
            first, second = row.players
            if row.number ^ 1 not in rows and {first, second} <= players.keys():
                return self._game(row.number ^ 1, players[first], players[second])
        if self._halted() or not self._run.held:
            return None
        network = max(self._run.held, key=lambda number: (self._missing(number), number))
        return self._game(
            2 * (max(rows, default=-1) // 2 + 1), self._networks[network], self._opponent(network)
        )

    def finish(self, row: GameRow) -> None:
        self._busy_s += uptime_s() - self._handed_out
        self.note_networks()
        players = (row.white, row.black)
        measured = [
            number
            for number, network in self._networks.items()
            if network.name in players and self._missing(number) <= 0
        ]
        if not measured:
            return
        fit = _fit(self._archive.rows, self._run.config.anchors)
        for number in measured:
            if number in fit.networks:
                elo, low, high = fit.networks[number]
                self._tell(
                    f"anchors: generation {number} is at rung {elo:.0f} [{low:.0f}, {high:.0f}] ({fit.scale})"
                )

    def _game(self, number: int, network: Contestant, anchor: Contestant) -> PlannedGame:
        return PlannedGame(number, network, anchor, self._openings[number // 2])

    def _missing(self, number: int) -> int:
        """Games that a network has to play still."""
        settings = self._run.config.anchors
        return settings.games - self._played[network_name(number, settings.nodes)]

    def _opponent(self, network: int) -> Contestant:
        """Choose the anchor against which the next pair should tell most: p (1 - p), shared with
        the pairs it had.
        """
        fit = _fit(self._archive.rows, self._run.config.anchors)
        name = self._networks[network].name
        earlier = [number for number in fit.networks if number <= network]
        if earlier:
            elo = fit.networks[max(earlier)].elo
        else:
            elo = sum(rating.elo for rating in fit.anchors.values()) / len(fit.anchors)

        def promise(anchor: Contestant) -> float:
            pair = {name, anchor.name}
            played = sum(pair == {row.white, row.black} for row in self._archive.rows.values())
            score = score_from_elo(elo - _elo_of(anchor.name, fit, elo))
            return score * (1.0 - score) / (2 + played)

        return max((anchor for anchor in self._anchors if anchor.name != name), key=promise)

    def _wait(self) -> None:
        """Wait until the games have taken no more than their share of the processors' time."""
        share = self._run.config.anchors.cpu_share * usable_cpus()
        while (
            self.is_limited
            and not self._halted()
            and self._busy_s > share * (uptime_s() - self._began)
        ):
            time.sleep(POLL_S)


def _elo_of(anchor: str, fit: AnchorFit, otherwise: float) -> float:
    """Return an anchor's rating: of Stockfish its level, once another level gives the scale."""
    level = anchor.removeprefix(f"{STOCKFISH}:")
    if level.isdecimal() and any(player.startswith(STOCKFISH) for player in fit.anchors):
        return float(level)
    rating = fit.anchors.get(anchor)
    if anchor.startswith("gen-"):
        rating = fit.networks.get(0)
    if rating is None:
        return otherwise
    return rating.elo


def _anchors(run: RunFolder, tell: Tell) -> list[Contestant]:
    """Return the anchors that can play here."""
    contestants = list[Contestant]()
    missing = list[str]()
    stockfish = split_words("anchors.stockfish", run.config.anchors.stockfish)
    for word in run.config.anchors.opponents.split():
        kind, _, number = word.partition(":")
        if kind == STOCKFISH and (not stockfish or shutil.which(stockfish[0]) is None):
            missing.append(word)
        elif kind == STOCKFISH:
            level = (("Threads", "1"), ("UCI_LimitStrength", "true"), ("UCI_Elo", number))
            contestants.append(
                Contestant(
                    word, engine_command(stockfish), level, TimeControl(nodes=STOCKFISH_NODES)
                )
            )
        elif kind == FIRST_NETWORK:
            name = network_name(0, run.config.anchors.nodes)
            contestants.append(network_contestant(name, run.config.net, run.candidate(0)))
        else:
            command = ["aino", *AT_START]
            if kind == "material":
                command += ["--evaluator", kind]
            limit = TimeControl(nodes=int(number))
            contestants.append(Contestant(word, engine_command(command), control=limit))
    if missing:
        program = (stockfish or [STOCKFISH])[0]
        tell(
            f"anchors: {program} is not installed or not on the PATH, so without {', '.join(missing)}"
        )
    if all(contestant.name.startswith("gen-") for contestant in contestants):
        raise ConfigError(
            "anchors.opponents: none of them can play here; name material:NODES or shipped:NODES, too"
        )
    return contestants


def network_contestant(name: str, net: str, path: Path) -> Contestant:
    """Return the player that is a run's network in a file; net: what the run trains, maybe a class
    of one's own.
    """
    command = ["aino", *AT_START]
    if is_custom(net):
        command += ["--evaluator", net]
    return Contestant(name, engine_command([*command, "--weights-file", str(path)]))


@contextlib.contextmanager
def measuring(run: RunFolder, tell: Tell, stop: Stop) -> Iterator[Callable[[], bool]]:
    """Play against the anchors in the background of the block, if the run's settings want it.

    The block gets a function that plays what is missing, as fast as possible; False if stopped. An
    error ends the measuring and is told; the run goes on without it. Raises ConfigError as
    `AnchorSeries`.
    """
    if not run.config.anchors.games:
        yield lambda: True
        return
    ended = threading.Event()
    series = AnchorSeries(run, tell, lambda: ended.is_set() or stop())

    def play_along() -> None:
        while not ended.is_set() and _play(series, tell, ended.is_set):
            ended.wait(POLL_S)

    thread = threading.Thread(target=play_along, name="anchors", daemon=True)

    def finish() -> bool:
        ended.set()
        thread.join()
        ended.clear()
        series.is_limited = False
        if missing := series.missing_games:
            tell(
                f"anchors: playing the remaining games: {missing}; if you stop, finished ones are kept"
            )
        _play(series, tell, stop)
        return not stop()

    thread.start()
    try:
        yield finish
    finally:
        ended.set()
        thread.join()


def _play(series: AnchorSeries, tell: Tell, stop: Stop) -> bool:
    """Play what is missing; False if stopped, or after an error, which is told."""
    try:
        series.note_networks()
        return series.is_complete or series.play(lambda row: None, stop)
    except (AinoError, OSError) as error:  # of a disk that is full
        tell(f"anchors: {error}; the run continues without measuring")
        return False
