"""A UCI engine for tests. It plays the first legal move, and at move N misbehaves as its argument says.

python scripted_engine.py [teacher] [HOW NUMBER]

HOW is crash, quit, illegal, pass, slow or hang, at move NUMBER. `leave` quits at that `ucinewgame`; `late` needs NUMBER
seconds for the first search of its life; `nodeless` does not end a search that only nodes limit; `score` reports NUMBER
centipawns for every position; `random` plays random moves, drawn by NUMBER; `bounds` sees NUMBER centipawns, and then
tells what is no exact score of the best line.

A `teacher` knows MultiPV and Chess960. A move's score is a function of its text, so that answers are known; its moves
are counted over all games.
"""

import random
import sys
import time

import chess

NOT_THE_SCORE = (
    "depth 4 nodes 80 score cp 900 lowerbound pv {}",
    "depth 4 nodes 81 score upperbound cp 901 pv {}",
    "depth 4 nodes 82 score cp 902 wdl 999 1 0 lowerbound pv {}",
    "depth 4 nodes 83 score mate 3 lowerbound pv {}",
    "depth 4 multipv 2 nodes 84 score cp 903 pv {}",
    "depth 4 nodes 85 currmove {} currmovenumber 1 score cp 904",
    "depth 4 nodes 86 score cp 905 pv e8e1",  # of another position
    "depth 4 nodes 87 pv {} string score cp 906",
    "string depth 5 nodes 88 score cp 907 pv {}",
)


def misbehave(how: str) -> None:
    """Exit or sleep, as `how` says, instead of answering or before it."""
    if how in ("crash", "quit"):
        sys.exit(3 if how == "crash" else 0)
    if how in ("slow", "hang"):
        time.sleep(1.2 if how == "slow" else 60.0)


def answer(board: chess.Board, how: str, number: int, moves: int) -> str:
    """The lines that answer `go` when the engine's move is number `moves` of the game."""
    bad = moves == number and how in ("crash", "quit", "illegal", "pass", "slow", "hang")
    if bad:
        misbehave(how)
    if bad and how in ("illegal", "pass"):
        return f"bestmove {'a1a1' if how == 'illegal' else '0000'}"
    legal = sorted(board.legal_moves, key=chess.Move.uci) if how == "random" else list(board.legal_moves)
    move = random.Random(f"{number} {board.fen()}").choice(legal) if how == "random" else legal[0]
    info = f"info depth 3 nodes 77 score cp {number} pv {move.uci()}\n" if how in ("score", "bounds") else ""
    more = "".join(f"info {line.format(move.uci())}\n" for line in NOT_THE_SCORE) if how == "bounds" else ""
    return f"{info}{more}bestmove {move.uci()}"


def score_of(move: str) -> int:
    """Centipawns of a teacher's move: some number from -200 to 200; a queen promotion is mate in 3."""
    return 31_997 if move.endswith("q") else sum(move.encode()) * 37 % 401 - 200


def teach(board: chess.Board, multipv: int, how: str) -> str:
    """A teacher's search: a bound to be ignored, an older depth, the last one."""
    misbehave(how)
    ranked = sorted((move.uci() for move in board.legal_moves), key=lambda move: (-score_of(move), move)) or ["(none)"]
    lines = [f"info depth 3 score cp 9999 lowerbound pv {ranked[0]}"]
    for depth in (1, 4):
        for rank, move in enumerate(ranked[:multipv] if any(board.legal_moves) else (), start=1):
            score = score_of(move) if depth == 4 else -7
            text = f"mate {32_000 - score}" if score > 30_000 else f"cp {score}"
            shown = "a1a1" if how == "illegal" and rank == 1 else move
            lines.append(f"info depth {depth} seldepth 9 multipv {rank} score {text} nodes 5 nps 5 pv {shown} a2a3")
    return "\n".join([*lines, f"bestmove {ranked[0]}"])


def position_of(words: list[str], chess960: bool) -> chess.Board:
    """The position that the words of a `position` command mean."""
    split = words.index("moves") if "moves" in words else len(words)
    fen = chess.STARTING_FEN if words[1] == "startpos" else " ".join(words[2:split])
    board = chess.Board(fen, chess960=chess960)
    for move in words[split + 1 :]:
        board.push_uci(move)
    return board


def main(is_teacher: bool, how: str, number: int) -> None:
    """Answer commands until `quit`."""
    board, moves, games, multipv = chess.Board(), 0, 0, 1
    waiting_s = number if how == "late" else 0
    option = "MultiPV type spin default 1 min 1 max 500\noption name UCI_Chess960 type check default false"
    if not is_teacher:
        option = "Level type spin default 1 min 1 max 9"
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            print(f"id name scripted\noption name {option}\nuciok")
        elif words[0] == "setoption" and words[2] == "MultiPV":
            multipv = int(words[4])
        elif words[0] == "setoption" and words[2] == "UCI_Chess960":
            board.chess960 = words[4] == "true"
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "ucinewgame":
            moves, games = moves if is_teacher else 0, games + 1
            if how == "leave" and games == number:
                return
        elif words[0] == "position":
            board = position_of(words, board.chess960)
        elif words[0] == "go":
            if how == "nodeless" and words[1:2] == ["nodes"]:
                continue
            moves += games > 0 or not is_teacher
            time.sleep(waiting_s)
            waiting_s = 0
            print(teach(board, multipv, how * (moves == number)) if is_teacher else answer(board, how, number, moves))
        elif words[0] == "quit":
            return
        sys.stdout.flush()


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "teacher"]
    main("teacher" in sys.argv, given[0] if given else "", int(given[1]) if len(given) > 1 else 0)
