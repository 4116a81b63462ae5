"""A UCI engine with MultiPV for label tests: a move's score is a function of its text, so answers are known.

python scripted_teacher.py [crash|hang|illegal N]: misbehaves at the N-th `go` since its first new game.
"""

import sys
import time

import chess


def score_of(move: str) -> int:
    """Centipawns of a move: some number from -200 to 200; a queen promotion is mate in 3."""
    return 31_997 if move.endswith("q") else sum(move.encode()) * 37 % 401 - 200


def answer(board: chess.Board, multipv: int, how: str) -> None:
    """Print the search: a bound to be ignored, an older depth, the last one."""
    ranked = sorted((move.uci() for move in board.legal_moves), key=lambda move: (-score_of(move), move))
    print("info depth 3 score cp 9999 lowerbound pv " + (ranked or ["(none)"])[0])
    for depth in (1, 4):
        for rank, move in enumerate(ranked[:multipv], start=1):
            score = score_of(move) if depth == 4 else -7
            text = f"mate {32_000 - score}" if score > 30_000 else f"cp {score}"
            if how == "illegal" and rank == 1:
                move = "a1a1"
            print(f"info depth {depth} seldepth 9 multipv {rank} score {text} nodes 5 nps 5 pv {move} a2a3")
    print(f"bestmove {ranked[0] if ranked else '(none)'}")


def main(how: str, at: int) -> None:
    """Answer commands until `quit`."""
    board, multipv, searches, playing = chess.Board(), 1, 0, False
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            print("id name teacher\noption name MultiPV type spin default 1 min 1 max 500")
            print("option name UCI_Chess960 type check default false\nuciok")
        elif words[0] == "setoption" and words[2] == "MultiPV":
            multipv = int(words[4])
        elif words[0] == "setoption" and words[2] == "UCI_Chess960":
            board.chess960 = words[4] == "true"
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "position":
            split = words.index("moves") if "moves" in words else len(words)
            fen = chess.STARTING_FEN if words[1] == "startpos" else " ".join(words[2:split])
            board = chess.Board(fen, chess960=board.chess960)
            for move in words[split + 1 :]:
                board.push_uci(move)
        elif words[0] == "ucinewgame":
            playing = True
        elif words[0] == "go":
            searches += playing
            bad = how if searches == at else ""
            if bad == "crash":
                sys.exit(3)
            if bad == "hang":
                time.sleep(60.0)
            answer(board, multipv, bad)
        elif words[0] == "quit":
            return
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "", int(sys.argv[2]) if len(sys.argv) > 2 else 0)
