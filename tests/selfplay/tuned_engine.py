"""A UCI engine whose strength depends on its options: it finds a mate in one the more often, the better they are.

python tuned_engine.py LOG

Best at Width 60 and Sharpness 2.5. Whether it finds the mate depends on position and options alone, so that the same
pair of games always ends the same. `Width` is a number, `Sharpness` a fraction, shown as text; `Style` is neither.
LOG gets a line at every start.
"""

import math
import random
import sys

import chess
from scripted_engine import position_of  # beside this script


def main(log: str) -> None:
    """Answer commands until `quit`."""
    with open(log, "a", encoding="ascii") as stream:
        stream.write("started\n")
    values = {"Width": "20", "Sharpness": "1.0", "Style": "solid"}
    board = chess.Board()
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            print("id name tuned\noption name Width type spin default 20 min 0 max 100")
            print("option name Sharpness type string default 1.0\noption name Style type string default solid\nuciok")
        elif words[0] == "setoption":
            values[words[2]] = words[4]
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "position":
            board = position_of(words)
        elif words[0] == "go":
            print(f"bestmove {choose(board, values).uci()}")
        elif words[0] == "quit":
            return
        sys.stdout.flush()


def choose(board: chess.Board, values: dict[str, str]) -> chess.Move:
    """A mating move, if there is one and the engine finds it; else any other."""
    rng = random.Random(f"{board.fen()} {values['Width']} {values['Sharpness']}")
    distance = ((int(values["Width"]) - 60) / 30) ** 2 + (float(values["Sharpness"]) - 2.5) ** 2
    moves = sorted(board.legal_moves, key=chess.Move.uci)
    mates = [move for move in moves if is_mate(board, move)]
    others = [move for move in moves if move not in mates]
    if mates and (not others or rng.random() < math.exp(-distance)):
        return mates[0]
    return rng.choice(others)


def is_mate(board: chess.Board, move: chess.Move) -> bool:
    """Whether a move mates."""
    board.push(move)
    found = board.is_checkmate()
    board.pop()
    return found


if __name__ == "__main__":
    main(sys.argv[1])
