"""The long comparison of the board with python-chess: random play, Chess960, odd positions and real games.

    python -m tests.unit.board.board_differential --positions 2000000 --data DATA_FOLDER

Stops at the first difference, with the position and the moves that led to it.
"""

import argparse
import itertools
import json
import lzma
import random
import time
from collections.abc import Iterator
from pathlib import Path

import chess

from engine.board.fen import parse_fen
from engine.errors import FenError
from tests.unit.board.board_comparison import KeyTable, compare_moves, compare_random_game
from tests.unit.board.board_positions import ODD_FENS, chess960_start, odd_position

Source = Iterator[int]  # each step compares one game and gives its number of positions


def random_games(rng: random.Random, keys: KeyTable) -> Source:
    while True:
        yield compare_random_game(chess.Board(), rng, 200, keys)


def chess960_games(rng: random.Random, keys: KeyTable) -> Source:
    while True:
        yield compare_random_game(chess960_start(rng), rng, 200, keys)


def odd_games(rng: random.Random, keys: KeyTable) -> Source:
    """Mostly fresh odd positions and a few moves from each; now and then a longer game from a known one."""
    while True:
        if rng.random() < 0.02:
            yield compare_random_game(chess.Board(rng.choice(ODD_FENS)), rng, 100, keys)
        else:
            yield compare_random_game(odd_position(rng), rng, 5, keys)


def human_games(data: Path, keys: KeyTable) -> Source:
    with lzma.open(data / "games" / "human.tsv.xz", "rt") as lines:
        column = next(lines).rstrip("\n").split("\t").index("uci")
        for line in lines:
            yield compare_moves(chess.Board(), line.rstrip("\n").split("\t")[column].split(), keys)


def engine_games(data: Path, keys: KeyTable) -> Source:
    with lzma.open(data / "games" / "engine.jsonl.xz", "rt") as lines:
        for game in map(json.loads, lines):
            try:
                start = parse_fen(game.get("fen", chess.STARTING_FEN))
            except FenError:  # some start with more queens than pawns could have become
                continue
            yield compare_moves(start, game["uci"].split(), keys)


def compare(positions: int, seed: int, data: Path | None) -> dict[str, int]:
    """Compare about so many positions, the same number from each source; returns the counts by source.

    Raises AssertionError at the first difference.
    """
    rng, keys = random.Random(seed), KeyTable()
    sources = {"random": random_games(rng, keys), "chess960": chess960_games(rng, keys), "odd": odd_games(rng, keys)}
    if data is not None:
        sources |= {"human games": human_games(data, keys), "engine games": engine_games(data, keys)}
    counts = dict.fromkeys(sources, 0)
    quota = positions / len(sources)
    for name, source in itertools.cycle(sources.items()):
        if min(counts.values()) >= quota:
            break
        if counts[name] < quota:
            counts[name] += next(source)
    assert keys.conflicts() == 0, f"{keys.conflicts()} keys or positions with two partners"
    return counts | {"different positions": len(keys)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder with games/human.tsv.xz and games/engine.jsonl.xz")
    arguments = parser.parse_args()
    start = time.perf_counter()
    for name, count in compare(arguments.positions, arguments.seed, arguments.data).items():
        print(f"{name:20}{count:>12,}")
    print(f"no difference, {(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
