"""Measure how well networks predict the moves of people, on games whose players have ratings.

    python -m benchmarks.people club.pgn --against maia-1100.pb.gz maia-1500.pb.gz
    python -m benchmarks.people club.pgn --net people.dit --calibration
    python -m benchmarks.people club.pgn --levels
    python -m benchmarks.people club.pgn --mates

The games are PGN with WhiteElo and BlackElo that no training has seen. For each band of ratings:
the share of moves that the network holds for the likeliest, and the mean of minus the logarithm of
the played move's probability, with 95% intervals that count a game's moves as one sample. `--net`
is asked for the rating of the player to move, and so are towers of people, such as people-64x6; the
others say what they always say. Positions with
one legal move do not count. `--levels` adds the opponents that play like people, with the chances
by which they draw their moves. `--mates` prints instead how many mates in one people gave, and the
mean of the probability that `--net` and these opponents give them. `--calibration` prints instead,
for the moves that `--net` gives a probability within some range, how many were played.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.measuring import Row, existing, new_parser, report
from engine.board.convert import board_from_row, decode_move, encode_move
from engine.board.layout import ROW_WORDS
from engine.board.makemove import push
from engine.board.notation import board_after
from engine.errors import AinoError, ConfigError
from engine.evaluation import make_evaluator
from engine.evaluation.leaf_batches import fill_leaf
from engine.evaluation.protocol import input_format_of, new_leaf_batch
from engine.network.people.people_policy import PeoplePolicy
from engine.network.planes import RATING_PLANE
from engine.network.tower.tower_model import TowerConfig
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.like_people import PEOPLE_RANGE, drawing_chances, people_plan
from engine.search.limits import Limits
from selfplay.data.cache import load_or_parse
from selfplay.data.pgn import pgn_reader
from selfplay.records.positions import UNKNOWN_RATING, PositionSet

BANDS = (("below 900", 1, 900), ("900 to 1299", 900, 1300),
         ("1300 to 1599", 1300, 1600), ("1600 and more", 1600, 5000))  # fmt: skip
RANGES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LEAST_CHANCE = 1e-6  # of a played move, whose logarithm is a loss
IN_95_PERCENT = 1.96  # standard errors
LONG_MS = 600_000  # of a clock, which an opponent does not use


@dataclass
class Position:
    """A position with its game so far, and what was played."""

    game: int
    stack: np.ndarray  # uint64 [plies + 1, 16]
    rating: int
    played: int
    line: np.ndarray  # uint16 [plies], the moves so far


@dataclass
class Answer:
    """What a contender says of one position."""

    moves: np.ndarray  # uint16 [n], legal
    chances: np.ndarray  # float64 [n]


class Contender(Protocol):
    """Something that predicts moves."""

    name: str

    def predict(self, position: Position) -> Answer: ...


class People:
    """A network of people, asked for the rating of the player to move."""

    def __init__(self, path: Path | None) -> None:
        self.name = "people" if path is None else path.name
        self._policy = PeoplePolicy.load(path)

    def predict(self, position: Position) -> Answer:
        return Answer(*self._policy.predict(position.stack, position.rating))


class Network:
    """Any other network with a policy; a tower of people is told the rating, too."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._net = make_evaluator("network", path)
        self._leaves = new_leaf_batch(1)
        config = getattr(getattr(self._net, "fused", None), "config", None)
        self._is_rated = isinstance(config, TowerConfig) and config.rated

    def predict(self, position: Position) -> Answer:
        fill_leaf(self._leaves, 0, position.stack, input_format_of(self._net))
        if self._is_rated:
            self._leaves.masks[0, RATING_PLANE] = position.rating
        self._net.evaluate(self._leaves, 1)
        count = int(self._leaves.n_moves[0])
        logits = self._leaves.logits[0, :count].astype(np.float64)
        chances = np.exp(logits - logits.max())
        return Answer(self._leaves.moves[0, :count].copy(), chances / chances.sum())


class Levels:
    """The opponents that play like people, at the rating of the player to move."""

    name = "levels"

    def __init__(self) -> None:
        options = EngineOptions(threads=1, hash_mib=8, play_like="people")
        self._engine = Engine(options)

    def predict(self, position: Position) -> Answer:
        elo = min(max(position.rating, PEOPLE_RANGE[0]), PEOPLE_RANGE[1])
        self._engine.set_options(replace(self._engine.options, elo=elo))
        board = board_from_row(position.stack[0])
        for row, move in zip(position.stack, position.line.tolist(), strict=False):
            board.push(decode_move(row, move))
        self._engine.set_position(board)
        children = self._engine.search(Limits(white_time_ms=LONG_MS)).children
        moves = np.array([encode_move(board, child.move) for child in children], np.uint16)
        return Answer(moves, drawing_chances(children, people_plan(elo)))


def flags() -> argparse.ArgumentParser:
    parser = new_parser(
        __doc__,
        positions=(0, "measure this many positions, evenly spaced, instead of all"),
        calibration=(
            False,
            "show how many moves were played by the probability that they were given",
        ),
        levels=(False, "measure Aino's opponents that play like people, too"),
        mates=(False, "show how many mates in one were given, and how likely they were held"),
    )
    parser.add_argument("games", type=existing, metavar="FILE.pgn", help="games to predict")
    parser.add_argument(
        "--net",
        type=existing,
        metavar="FILE.dit",
        help="a network of people (default: the one that comes with Aino)",
    )
    parser.add_argument(
        "--against",
        type=existing,
        nargs="+",
        default=[],
        metavar="FILE",
        help="networks to compare it with, in files of Lc0's or Aino's",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    parser = flags()
    options = parser.parse_args(arguments)
    try:
        positions = positions_of(options.games, options.positions)
        people = People(options.net)
        if options.calibration:
            rows = calibration(people, positions)
        elif options.mates:
            rows = mates(people, positions)
        else:
            contenders: list[Contender] = [people, *map(Network, options.against)]
            if options.levels:
                contenders.append(Levels())
            rows = []
            for contender in contenders:
                rows += scores(contender, positions)
    except AinoError as error:
        parser.error(str(error))
    report(rows, options.json)


# ---- positions -----------------------------------------------------------------------------------


def positions_of(path: Path, limit: int) -> list[Position]:
    """Return the positions of rated players who had a choice. Raises ConfigError without any."""
    games = load_or_parse(path, pgn_reader(), None)
    positions = list(rated_positions(games))
    if not positions:
        raise ConfigError(f"{path}: no moves of players with a rating")
    if 0 < limit < len(positions):
        places = np.linspace(0, len(positions) - 1, limit).astype(int)
        return [positions[place] for place in places]
    return positions


def rated_positions(games: PositionSet) -> Iterator[Position]:
    for game in range(games.n_games):
        first, last = games.game_first[game], games.game_first[game + 1]
        stack = np.zeros((last - first + 1, ROW_WORDS), np.uint64)
        stack[0] = games.starts[game]
        for ply in range(last - first):
            played, rating = int(games.moves[first + ply]), int(games.rating[first + ply])
            if rating != UNKNOWN_RATING:
                line = games.moves[first : first + ply]
                yield Position(game, stack[: ply + 1], rating, played, line)
            push(stack, ply, played)


# ---- tables --------------------------------------------------------------------------------------


def scores(contender: Contender, positions: list[Position]) -> list[Row]:
    """One row for every band: how many moves were predicted, and how likely they were."""
    answers = list(map(contender.predict, positions))
    rows: list[Row] = []
    for name, low, high in BANDS:
        games, hits = list[int](), list[bool]()
        chances = list[float]()
        for position, answer in zip(positions, answers, strict=True):
            if low <= position.rating < high and len(answer.moves) > 1:
                place = np.flatnonzero(answer.moves == position.played)[0]
                games.append(position.game)
                hits.append(place == answer.chances.argmax())
                chances.append(answer.chances[place])
        if not games:
            continue
        losses = -np.log(np.maximum(chances, LEAST_CHANCE))
        rows.append(
            {
                "network": contender.name,
                "band": name,
                "moves": len(games),
                "predicted": with_interval(100 * np.array(hits, float), games, ".1f"),
                "-log": with_interval(losses, games, ".3f"),
            }
        )
    return rows


def with_interval(numbers: np.ndarray, games: Sequence[int], form: str) -> str:
    """Return a mean and half the width of its 95% interval, as text."""
    mean = numbers.mean()
    of_games = np.bincount(games, weights=numbers - mean)
    error = float(np.sqrt((of_games**2).sum())) / len(numbers)
    return f"{mean:{form}} +- {IN_95_PERCENT * error:{form}}"


def mates(contender: Contender, positions: list[Position]) -> list[Row]:
    """One row for every band: the mates in one that there were, the share that people gave, and the
    mean probability of them, by a contender and by the opponents that play like people.
    """
    rows: list[Row] = []
    for name, low, high in BANDS:
        shares = list[tuple[float, float, float]]()
        for position in positions:
            if not low <= position.rating < high:
                continue
            board = board_from_row(position.stack[-1])
            mating = [move for move in board.legal_moves if board_after(board, move).is_checkmate()]
            if mating:
                codes = [encode_move(board, move) for move in mating]
                answer = contender.predict(position)
                chance = float(answer.chances[np.isin(answer.moves, codes)].sum())
                weight = people_plan(position.rating).mate_factor * chance
                played = float(position.played in codes)
                shares.append((played, chance, weight / (weight + 1 - chance)))
        if shares:
            means = (f"{100 * share:.1f}%" for share in np.mean(shares, axis=0))
            row = dict(zip(("given", "predicted", "level"), means, strict=True))
            rows.append({"band": name, "mates": len(shares), **row})
    return rows


def calibration(contender: Contender, positions: list[Position]) -> list[Row]:
    """One row for every range of probabilities: their mean, and the share of these moves that were
    played.
    """
    answers = list(map(contender.predict, positions))
    chances = np.concatenate([answer.chances for answer in answers])
    was_played = np.concatenate(
        [
            answer.moves == position.played
            for answer, position in zip(answers, positions, strict=True)
        ]
    )
    places = np.digitize(chances, RANGES[1:-1])
    rows: list[Row] = []
    for place, (low, high) in enumerate(pairwise(RANGES)):
        inside = places == place
        if inside.any():
            rows.append(
                {
                    "given": f"{100 * low:.0f} to {100 * high:.0f}%",
                    "moves": int(inside.sum()),
                    "mean": f"{100 * chances[inside].mean():.2f}%",
                    "played": f"{100 * was_played[inside].mean():.2f}%",
                }
            )
    return rows


if __name__ == "__main__":
    main()
