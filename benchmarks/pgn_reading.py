"""How fast PGN is read: games and megabytes a second of CPU time, python-chess in the same run, and
memory.

python -m benchmarks.pgn_reading                       random games of 80 plies, plain and in Lichess's monthly form
python -m benchmarks.pgn_reading games.pgn.zst ...     these files
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import textwrap
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import chess
import chess.pgn

from benchmarks.measuring import existing
from engine.board.pgn.game_reader import GameText, read_games
from engine.board.pgn.main_lines import main_lines
from engine.files.text import open_unpacked

PLIES = 80
GAMES = 200
REPEATED = 50
TAGS = {"Event": "Rated Blitz game", "Site": "https://lichess.org/abcdefgh", "White": "one", "Black": "two",
        "Result": "1-0", "UTCDate": "2017.01.01", "WhiteElo": "1912", "BlackElo": "1885", "ECO": "B00"}  # fmt: skip


def random_words(rng: random.Random) -> list[str]:
    board = chess.Board()
    words = list[str]()
    while len(words) < PLIES and (moves := list(board.legal_moves)):
        move = rng.choice(moves)
        words.append(board.san(move))
        board.push(move)
    return words


def plain(words: list[str]) -> str:
    return textwrap.fill(
        " ".join(("" if i % 2 else f"{i // 2 + 1}. ") + word for i, word in enumerate(words)), 80
    )


def monthly(words: list[str]) -> str:
    """Return the form of Lichess's monthly files: each move with its number and clock, on one
    line.
    """
    numbers = [f"{i // 2 + 1}{'...' if i % 2 else '.'}" for i in range(len(words))]
    moves = zip(numbers, words, strict=True)
    return " ".join(
        f"{number} {word} {{ [%clk 0:02:{i % 60:02}] }}" for i, (number, word) in enumerate(moves)
    )


def text_of(form: Callable[[list[str]], str], games: list[list[str]]) -> str:
    tags = "".join(f'[{name} "{value}"]\n' for name, value in TAGS.items())
    return "".join(f"{tags}\n{form(words)} 1-0\n\n" for words in games)


def measure(name: str, games: Callable[[], Iterable[object]], size: int) -> None:
    began = time.process_time()
    count = sum(1 for _ in games())
    seconds = time.process_time() - began
    print(
        f"{name:40} {count:9,} games, {count / seconds:10,.0f} games/s, {size / seconds / 1e6:7.1f} MB/s"
    )


def python_chess(text: str) -> Iterable[object]:
    stream = io.StringIO(text)
    while (game := chess.pgn.read_game(stream)) is not None:
        yield game


def run_form(name: str, text: str) -> None:
    data = text.encode()
    list(main_lines(GameText(io.BytesIO(data[:10_000]))))  # compile
    measure(
        f"{name}, main lines",
        lambda: main_lines(GameText(io.BytesIO(data * REPEATED))),
        len(data) * REPEATED,
    )
    measure(f"{name}, whole games", lambda: read_games(text), len(data))
    measure(f"{name}, python-chess", lambda: python_chess(text), len(data))


def run_file(path: Path) -> None:
    with open_unpacked(path) as (stream, _):
        text = GameText(stream)
        lines = main_lines(text)
        began = time.process_time()
        count = 0
        plies = 0
        faults = 0
        for line in lines:
            count += line.is_game
            plies += len(line.moves)
            faults += bool(line.fault)
        seconds, size = time.process_time() - began, text.dropped + len(text.data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path}: {count:,} games, {plies:,} plies, {faults:,} faults; {count / seconds:,.0f} games/s, "
        f"{size / seconds / 1e6:.1f} MB/s of {size / 1e6:,.0f} MB; most memory {peak:,.0f} MiB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pgn", nargs="*", type=existing, help="read the main lines of these files, packed or not"
    )
    files = parser.parse_args().pgn
    rng = random.Random(1)
    played = [] if files else [random_words(rng) for _ in range(GAMES)]
    for name, form in {} if files else {"plain": plain, "clocks": monthly}.items():
        run_form(name, text_of(form, played))
    for path in files:
        run_file(path)
