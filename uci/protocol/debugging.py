"""The debugging commands, for people at a terminal: they show the engine's evaluation and count
positions.
"""

from collections.abc import Iterator
from typing import Any

import chess

from engine.board.notation import board_after
from engine.board.perft import perft
from engine.player import Engine
from engine.search.job import SearchJob
from engine.search.limits import Limits
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
For the rest, see docs/options.md."""

PERFT_CHUNK_DEPTH = 4  # plies counted between two checks for a stop, well under a second of work
_PRIORS_SHOWN = 8


def evaluation_lines(engine: Engine, board: chess.Board) -> Iterator[str]:
    """Value and likeliest moves without any search, from the side to move. Clears the engine's
    tree.
    """
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
    yield "priors: " + ", ".join(
        f"{board.san(child.move)} {100 * child.prior:.1f}%" for child in likely
    )


def tell_perft(writer: Writer, board: chess.Board, depth: int, job: SearchJob[Any]) -> list[str]:
    """Write the count below each move as other engines do; return the last lines."""
    if depth > MAX_PERFT_DEPTH:
        return [info_string(f"go perft: bad depth {depth}, expected 0 to {MAX_PERFT_DEPTH}")]
    if depth == 0:
        return ["", "Nodes searched: 1"]
    total = 0
    for move in sorted(board.legal_moves, key=chess.Move.uci):
        count = _count(board_after(board, move), depth - 1, job)
        if job.stopped:
            return [info_string("perft stopped")]
        total += count
        writer.line(f"{board.uci(move)}: {count}")
    return ["", f"Nodes searched: {total}"]


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
