"""The debugging commands, for people at a terminal: they show the engine's evaluation, search tree and speed.

Each command yields lines of text. A long one yields them one by one, so that the reader can stop in between.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

import chess

from engine.board.notation import board_after
from engine.board.perft import perft
from engine.errors import AinoError, ConfigError, StillCompilingError
from engine.player import Engine
from engine.search.limits import Limits, SearchJob
from engine.search.result import SearchResult
from uci.bench.bench import BENCH_POSITIONS
from uci.protocol.words import Writer, info_string
from uci.tools.perft import MAX_PERFT_DEPTH

HELP = """\
uci                              who this is, and all options
isready                          loads the engine if need be, then says readyok
setoption name N [value V]       sets an option
position startpos|fen FEN [moves M ...]
go [wtime|btime|winc|binc MS] [movestogo|movetime|nodes|depth|mate N] [infinite] [ponder] [searchmoves M ...]
                                 nodes N counts nodes kept from earlier searches, so repeating it adds none
go perft N                       counts the positions N plies ahead
stop, ponderhit, ucinewgame, debug on|off, quit
d                                the board and its FEN
eval                             what the evaluator says, without a search
tree                             the moves of the last search: visits, prior, value, line
bench [N]                        searches a few positions with N visits each (default 500) and prints the speed
For the rest, see docs/options.md."""

PERFT_CHUNK_DEPTH = 4  # plies counted between two checks for a stop, well under a second of work

BENCH_VISITS = 500
_PRIORS_SHOWN = 8
_LINE_SHOWN = 6  # plies shown of each line


def tell_lines(writer: Writer, command: str, job: SearchJob[Any], lines: Iterable[str]) -> list[str]:
    """Write a command's lines one by one until they end or its job is stopped; return the last one."""
    last = ""
    try:
        for number, line in enumerate(lines):
            if job.stopped:
                return [info_string(f"{command} stopped")]
            if number:
                writer.line(last)
            last = line
    except StillCompilingError:  # raised by a stop
        last = info_string(f"{command} stopped")
    except AinoError as error:
        last = info_string(str(error))
    except Exception as error:  # noqa: BLE001 - a bug in a debugging command must not end the conversation
        traceback.print_exc(file=sys.stderr)
        last = info_string(f"{command} failed: {type(error).__name__}: {error}")
    return [last]


def evaluation_lines(engine: Engine, board: chess.Board) -> Iterator[str]:
    """Value and likeliest moves without any search, from the side to move. Clears the engine's tree."""
    if not any(board.legal_moves):
        yield f"game over: {board.result()}"
        return
    engine.new_game()
    engine.set_position(board)
    result = engine.search(Limits(nodes=1))
    engine.new_game()
    win, draw, loss = result.infos[0].wdl
    likely = sorted(result.children, key=lambda child: -child.prior)[:_PRIORS_SHOWN]
    yield (
        f"evaluator {engine.evaluator.name}: {result.infos[0].score_cp / 100:+.2f}, "
        f"win {win / 10:.1f}%, draw {draw / 10:.1f}%, loss {loss / 10:.1f}%"
    )
    yield "priors: " + ", ".join(f"{board.san(child.move)} {100 * child.prior:.1f}%" for child in likely)


def tree_lines(result: SearchResult, board: chess.Board) -> Iterator[str]:
    """Yield a table of the root's moves, best first. `board` is the position that was searched."""
    yield f"{board.fen()}: {result.nodes} nodes in {result.time_ms} ms"
    yield f"{'move':8}{'visits':>9}{'prior':>8}{'Q':>8}{'draw':>8}  line"
    for child in result.children:
        value = f"{child.q:8.3f}" if child.mate is None else f"{'#' + str(child.mate):>8}"
        line = board.variation_san(child.pv[:_LINE_SHOWN]) if child.pv else ""
        name = board.san(child.move)
        yield f"{name:8}{child.visits:9}{100 * child.prior:7.2f}%{value}{100 * child.draw:7.1f}%  {line}".rstrip()


def perft_lines(board: chess.Board, depth: int, job: SearchJob[Any]) -> Iterator[str]:
    """Yield the count below each move and their sum, as other engines print them. Raises ConfigError if too deep."""
    if depth > MAX_PERFT_DEPTH:
        raise ConfigError(f"go perft: bad depth {depth}, expected 0 to {MAX_PERFT_DEPTH}")
    total = 0 if depth else 1
    for move in sorted(board.legal_moves, key=chess.Move.uci) if depth else ():
        count = _count(board_after(board, move), depth - 1, job)
        total += count
        yield f"{board.uci(move)}: {count}"
    yield ""
    yield f"Nodes searched: {total}"


def _count(board: chess.Board, depth: int, job: SearchJob[Any]) -> int:
    """Count perft in pieces so that it can stop soon. The count is meaningless after a stop."""
    if depth <= PERFT_CHUNK_DEPTH:
        return perft(board, depth)
    total = 0
    for move in board.legal_moves:
        if job.stopped:
            break
        board.push(move)
        total += _count(board, depth - 1, job)
        board.pop()
    return total


def bench_lines(engine: Engine, text: str, job: SearchJob[Any]) -> Iterator[str]:
    """Nodes and speed of a few searches from empty trees. `text` is the visits per search. Raises ConfigError."""
    visits = int(text) if text.isdecimal() and text.isascii() else 0
    if text and not visits:
        raise ConfigError(f"bench: bad number of visits {text!r}, expected 1 or more")
    nodes, begun = 0, time.perf_counter()
    for number, fen in enumerate(BENCH_POSITIONS, 1):
        engine.new_game()
        engine.set_position(chess.Board(fen))
        result = engine.search(Limits(nodes=visits or BENCH_VISITS), job=job)
        nodes += result.nodes
        yield f"Position {number}/{len(BENCH_POSITIONS)}: {result.nodes} nodes, {result.best_move}"
    engine.new_game()
    seconds = time.perf_counter() - begun
    yield f"Evaluator       : {engine.evaluator.name}"
    yield f"Total time (ms) : {1000 * seconds:.0f}"
    yield f"Nodes searched  : {nodes}"
    yield f"Nodes/second    : {nodes / max(seconds, 1e-9):.0f}"
