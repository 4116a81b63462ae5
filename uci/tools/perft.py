"""`aino perft DEPTH [FEN]`: counts positions to check and time move generation."""

import argparse
import sys
import time

import chess

from engine.board.perft import divide, perft
from engine.board.pgn.move_words import typed_position
from engine.errors import ConfigError

parse = argparse.ArgumentParser.parse_intermixed_args  # lets options stand between DEPTH and FEN
MAX_PERFT_DEPTH = 20  # the start position has more than 10^28 sequences of 20 plies


EXAMPLES = """\
examples:
  aino perft 5                              4,865,609 from the start position
  aino perft 3 --divide --compare           with the count below each move, checked by python-chess
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("depth", type=int, metavar="DEPTH", help="count to this many plies")
    parser.add_argument(
        "fen",
        nargs="*",
        metavar="FEN",
        help="start from this position (default: the start position)",
    )
    parser.add_argument(
        "--divide", action="store_true", help="print the count below each move, too"
    )
    parser.add_argument(
        "--chess960", action="store_true", help="read castling rights as in Chess960"
    )
    parser.add_argument(
        "--compare", action="store_true", help="count and time with python-chess, too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print count, time and speed. Returns 1 if --compare finds a difference. Raises FenError,
    ConfigError.
    """
    depth = arguments.depth
    if not 0 <= depth <= MAX_PERFT_DEPTH:
        raise ConfigError(f"DEPTH: bad value {depth}, expected 0 to {MAX_PERFT_DEPTH}")
    fen = " ".join(arguments.fen) or chess.STARTING_FEN
    board = typed_position(fen, arguments.chess960, lambda note: print(note, file=sys.stderr))
    if arguments.divide and depth:
        for move, count in divide(board, depth).items():
            print(f"{move}: {count}")
    perft(board, 2)  # compile or load before timing
    start = time.perf_counter()
    total = perft(board, depth)
    _print_count("aino", total, time.perf_counter() - start)
    if not arguments.compare:
        return 0
    start = time.perf_counter()
    reference = count_with_python_chess(board, depth)
    _print_count("python-chess", reference, time.perf_counter() - start)
    return int(reference != total)


def count_with_python_chess(board: chess.Board, depth: int) -> int:
    """Perft by python-chess. Like Aino's perft, it counts the moves of the last ply without making
    them.
    """
    if depth == 0:
        return 1
    if depth == 1:
        return board.legal_moves.count()
    total = 0
    for move in board.legal_moves:
        board.push(move)
        total += count_with_python_chess(board, depth - 1)
        board.pop()
    return total


def _print_count(name: str, total: int, seconds: float) -> None:
    line = f"{name}: {total} nodes in {seconds:.3f} s"
    if seconds > 0:
        line += f", {total / seconds:,.0f} nodes/s"
    print(line)
