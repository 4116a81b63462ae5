"""A UCI engine for tests. It plays the first legal move, and at move N misbehaves as its argument
says.

python scripted_engine.py [HOW NUMBER]

HOW is crash, quit, illegal, pass, slow, hang, or pause, which stops the referee, at move NUMBER.
`leave` quits at that `ucinewgame`; `late` needs NUMBER seconds for the first search of its life;
`nodeless` does not end a search that only nodes limit; `score` reports NUMBER centipawns for every
position; `random` plays random moves, drawn by NUMBER; `bounds` sees NUMBER centipawns, and then
tells what is no exact score of the best line; `nodes` has a clock in nodes, and tells NUMBER of
them for each move, or none for 0.
"""

import os
import random
import signal
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


EXIT_STATUS = {"crash": 3, "quit": 0}
SLEEP_S = {"slow": 1.2, "hang": 60.0}
NO_MOVE = {"illegal": "a1a1", "pass": "0000"}


def misbehave(how):
    """Exit or sleep, as `how` says, instead of answering or before it."""
    if how in EXIT_STATUS:
        sys.exit(EXIT_STATUS[how])
    time.sleep(SLEEP_S.get(how, 0))
    if how == "pause":
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(os.getppid(), signal.SIGCONT)


def answer(board, how, number, moves):
    """The lines that answer `go` when the engine's move is number `moves` of the game."""
    if moves == number:
        misbehave(how)
        if how in NO_MOVE:
            return f"bestmove {NO_MOVE[how]}"
    move = next(iter(board.legal_moves))
    if how == "random":
        legal = sorted(board.legal_moves, key=chess.Move.uci)
        move = random.Random(f"{number} {board.fen()}").choice(legal)
    infos = []
    if how in ("score", "bounds"):
        infos.append(f"info depth 3 nodes 77 score cp {number} pv {move.uci()}\n")
    if how == "bounds":
        infos += [f"info {line.format(move.uci())}\n" for line in NOT_THE_SCORE]
    if how == "nodes" and number:
        infos.append(f"info nodes {number}\n")
    return f"{''.join(infos)}bestmove {move.uci()}"


def position_of(words):
    """The position that the words of a `position` command mean."""
    split = words.index("moves") if "moves" in words else len(words)
    fen = chess.STARTING_FEN if words[1] == "startpos" else " ".join(words[2:split])
    board = chess.Board(fen)
    for move in words[split + 1 :]:
        board.push_uci(move)
    return board


def main(how="", number=0):
    """Answer commands until `quit`."""
    number = int(number)
    board = chess.Board()
    moves = 0
    games = 0
    waiting_s = number if how == "late" else 0
    for line in sys.stdin:
        words = line.split()
        if words[0] == "uci":
            print("id name scripted\noption name Level type spin default 1 min 1 max 9")
            if how == "nodes":
                print("option name NodesTime type spin default 0 min 0 max 10000")
            print("option name Book type check default true\nuciok")
        elif words[0] == "isready":
            print("readyok")
        elif words[0] == "ucinewgame":
            moves = 0
            games = games + 1
            if how == "leave" and games == number:
                return
        elif words[0] == "position":
            board = position_of(words)
        elif words[0] == "go":
            if how == "nodeless" and words[1:2] == ["nodes"]:
                continue
            moves += 1
            time.sleep(waiting_s)
            waiting_s = 0
            print(answer(board, how, number, moves))
        elif words[0] == "quit":
            return
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
