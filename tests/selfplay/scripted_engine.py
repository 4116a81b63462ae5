"""A UCI engine for match tests: plays the first legal move, and misbehaves at move N as its argument says.

python scripted_engine.py [crash|illegal|slow|hang N]
"""

from __future__ import annotations

import sys
import time

import chess


def misbehave(how: str) -> str:
    """What to answer instead of a move."""
    if how == "crash":
        sys.exit(3)
    if how in ("slow", "hang"):
        time.sleep(0.6 if how == "slow" else 60.0)
    return "a1a1"


def main(how: str, at_move: int) -> None:
    """Answer commands until `quit`."""
    board, moves = chess.Board(), 0
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            print("id name scripted\noption name Level type spin default 1 min 1 max 9\nuciok")
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "ucinewgame":
            moves = 0
        elif words[0] == "position":
            split = words.index("moves") if "moves" in words else len(words)
            board = chess.Board() if words[1] == "startpos" else chess.Board(" ".join(words[2:split]))
            for move in words[split + 1 :]:
                board.push_uci(move)
        elif words[0] == "go":
            moves += 1
            bad = misbehave(how) if how and moves == at_move else ""
            print(f"bestmove {bad if how == 'illegal' and bad else next(iter(board.legal_moves)).uci()}")
        elif words[0] == "quit":
            return
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "", int(sys.argv[2]) if len(sys.argv) > 2 else 0)
