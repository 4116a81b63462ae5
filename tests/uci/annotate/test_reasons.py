"""Why moves are bad: known positions with their lines and the sentence that each must give, or
none.
"""

import csv
import itertools
import re
from dataclasses import replace

import chess
import pytest

from engine.board import notation
from tests.boards import board_after
from uci.annotate.compared_lines import Lines
from uci.annotate.material import is_sacrifice
from uci.annotate.motifs import motif
from uci.annotate.move_purposes import purpose_of, threat
from uci.annotate.reasons import find_reason
from uci.language import speak

LEGAL = "e4 e5 Nf3 Nc6 Bc4 d6 Nc3 Bg4 h3 Bh5 Nxe5"
MILNER_BARRY = "e4 e6 d4 d5 e5 c5 c3 Nc6 Nf3 Qb6 Bd3 cxd4 cxd4"


def position(text):
    """A FEN, or the position after moves from the start."""
    if "/" in text:
        return chess.Board(text)
    return board_after(text)


def moves(board, text):
    board = board.copy()
    return [board.push_san(san) for san in text.split()]


def case(start, played, better, sentence, cost_cp=None, best_cp=None, taken="", **facts):
    """A bad move and what follows, the better line, the sentence; what the move costs, and what the
    best one is worth. Of an answer that is a sacrifice, what follows if it is taken.
    """
    board = position(start)
    line = moves(board, played)
    follows = moves(notation.board_after(board, *line[:2]), taken)
    lines = Lines(
        board, line, moves(board, better), cost_cp=cost_cp, best_cp=best_cp, taken=follows
    )
    return replace(lines, **facts), sentence


CASES = [
    case(LEGAL, "Bxd1 Bxf7+ Ke7 Nd5#", "Nxe5 Qxh5", "allows mate in 2", mate_played=-2),
    case("e4 e5 Nf3 Nc6 Bc4 Nd4 Nxe5 Qg5", "Nxf7 Qxg2 Rf1 Qxe4+ Be2 Nf3#", "Bxf7+ Ke7",
         "allows a smothered mate in 3", mate_played=-3),
    case("6k1/5ppp/8/8/r7/8/5PPP/1R4K1 b - - 0 1", "Ra2 Rb8#", "h6", "allows a back-rank mate in 1", mate_played=-1),
    case("6k1/5ppp/8/8/8/8/r4PPP/1R4K1 w - - 0 1", "h3 h6", "Rb8#", "misses a back-rank mate in 1", mate_better=1),
    case("r5k1/5ppp/8/8/8/8/r4PPP/1R4K1 w - - 0 1", "Rd1 Ra1 h3 Rxd1+ Kh2", "Rb8+ Rxb8",
         "misses mate in 2 and allows mate in 9", mate_played=-9, mate_better=2),
    case("6k1/5ppp/8/8/8/8/r4PPP/1R4K1 w - - 0 1", "f3 Ra1 Rxa1", "Rb8#", "", mate_played=3, mate_better=1),
    case("d4 d5 c4 e6 Nc3 Nf6 Bg5 Nbd7 cxd5 exd5", "Nxd5 Nxd5 Bxd8 Bb4+ Qd2 Bxd2+ Kxd2 Kxd8", "e3 Be7",
         "loses a knight for a pawn to 6...Nxd5: the knight on d5 is unguarded"),
    case("r3k3/pp3ppp/8/3N4/8/8/PPP2PPP/4K3 b - - 0 1", "h6 Nc7+ Kd7 Nxa8", "Rc8 c3",
         "loses a rook to a fork of king and rook by the knight on c7"),
    case("r3k3/pp3ppp/8/3N4/8/8/PPP2PPP/4K3 w - - 0 1", "Kd2 Rc8", "Nc7+ Kd7 Nxa8",
         "misses a chance to win a rook through a fork of king and rook by the knight on c7"),
    case("R7/P7/5k2/8/8/8/r7/6K1 b - - 0 1", "Ke7 Rh8 Rxa7 Rh7+ Ke6 Rxa7", "Kg7 Kf1",
         "loses a rook for a pawn to a skewer of king and rook by the rook on h7"),
    case("4k3/5ppp/2n5/8/3P4/8/4BPPP/4K3 b - - 0 1", "f6 Bb5 Kd7 d5 Kd6 dxc6", "Nb4 Kd2",
         "loses a knight to a pin: the knight on c6 is pinned to the king"),
    case("3qk3/5ppp/5n2/6B1/4P3/8/5PPP/4K3 b - - 0 1", "Kf8 e5 Qd7 exf6", "Qd4 Bxf6 Qxf6",
         "loses a knight to a pin: the knight on f6 is pinned to the queen"),
    case(MILNER_BARRY, "Nxd4 Nxd4 Qxd4 Bb5+ Ke7 Qxd4", "Bd7 O-O",
         "loses the queen for a pawn to a discovered attack on the queen on d4"),
    case("e4 e5 Nf3 Nf6 Nxe5 Nxe4 Qe2", "Nf6 Nc6+ Be7 Nxd8 Kxd8", "Qe7 Qxe4 d6",
         "loses the queen for a knight to a discovered check"),
    case("4k3/2p5/2p5/3q4/4P3/8/8/4K1R1 b - - 0 1", "Kf7 exd5 cxd5", "Qxe4+ Kf2",
         "loses the queen for a pawn to 2. exd5: a pawn attacks the queen on d5"),
    case("4k3/pp3ppp/5n2/3b2B1/8/8/PPP2PPP/3R2K1 b - - 0 1", "a6 Bxf6 gxf6 Rxd5", "Bxa2 b3",
         "loses a knight to the removal of a guard: the knight on f6 guarded the bishop on d5"),
    case("6k1/5pp1/4r2p/p7/1q6/8/3Q1PPP/3R2K1 w - - 0 1", "h3 Re1+ Rxe1 Qxd2", "Qxb4 axb4 Rb1",
         "loses the queen for a rook to a deflection: the rook on d1 guarded the queen on d2"),
    case("3rr1k1/pp5p/2p3p1/4qp2/2P1p3/1P2P2P/PQ3PP1/R2R2K1 b - - 2 22", "a6 Qxe5 Rxe5 Rxd8+", "Qc7 Rxd8 Rxd8",
         "loses a rook to an overload: the rook on e8 guarded the queen on e5 and the rook on d8"),
    case("6k1/5ppp/2p5/3r4/8/5B2/5PPP/6K1 b - - 0 1", "g6 Bxd5 cxd5", "Rd2 h3",
         "loses the exchange to 2. Bxd5: a bishop attacks the rook on d5"),
    case("4k3/5ppp/8/3b4/8/8/5PPP/3R2K1 w - - 0 1", "h3 Bc6", "Rxd5 Ke7", "misses a chance to win a bishop"),
    case("8/P1k5/8/8/8/8/5P2/6K1 b - - 0 1", "Kd7 a8=Q", "Kb7 Kg2", "lets a pawn promote"),
    case("8/P1k5/8/8/8/8/5P2/6K1 w - - 0 1", "f3 Kb7", "a8=Q Kd7", "misses the promotion of a pawn"),
    case("e4 e5 f4 exf4 Bc4 Qh4+ Kf1", "Bc5 d4 Bb6", "Nf6 Nc3 Ng4",
         "runs into 5. d4, which drives the bishop on c5 away"),
    case("r1bqkb1r/pppp1ppp/2n2n2/4p1N1/2B1P3/8/PPPP1PPP/RNBQK2R b KQkq - 5 4", "Qe7 Bxf7+ Kd8 Bb3 Ke8",
         "d5 exd5 Na5 Bb5+ c6 dxc6 bxc6", "exposes the king to 5. Bxf7+ Kd8"),
    case("r2q1rk1/1pp2pp1/p1np1n1p/2b1p2b/2B1P3/P1NP1N1P/1PP2PP1/R1BQ1RK1 w - - 1 11", "Re1 Nd4 Be3 Bxf3 gxf3 Nh5",
         "Nd5 Nd4 g4 Bg6 Nxd4 Bxd4", "exposes the king to 12...Bxf3 13. gxf3"),
    case("7k/6r1/3r4/3N2qp/3QP3/5p1P/PP3RP1/6K1 w - - 1 38", "h4 Qg4 Qd3 Rc6", "Qd1 fxg2 Rf5 Qg6",
         "misses 38. Qd1, which prevents 38...Qg4"),
    case("r1bqkb1r/ppp1n1pp/3p1p2/8/2BPP3/8/PP3PPP/RNBQK2R w KQkq - 2 8", "h3 d5 exd5 Nf5", "O-O c6 Re1 d5",
         "misses 8. O-O, which brings the king to safety"),
    case("e4 e5 Nf3 Nc6 Bc4 Nf6 Ng5 Qe7", "Nxf7 d5 Bxd5 Nxd5 exd5 Qxf7 dxc6", "Bxf7+ Kd8 Bb3 Ke8",
         "takes the pawn on f7 with the wrong piece"),
    case("r7/1p5R/p5p1/6P1/4pp2/5k2/PPP2P2/4K3 w - - 0 32", "Rxb7 Rh8 Rb6 Rh1+ Kd2 Kxf2 Rxg6 e3+", "Rh3+ Kg4 Rh7 b5",
         "takes the pawn on b7, but 32...Rh8 33. Rb6 Rh1+ is worth more"),
    case("r1bq1rk1/ppp2ppp/2np1n2/2b1p1N1/2B1P3/2N5/PPPP1PPP/R1BQ1RK1 w - - 0 7", "d3 Bg4 Nf3 Nd4", "h3 Ne7 d3 c6",
         "runs into 7...Bg4, which attacks the queen on d1"),
    case("4k3/pp1q1ppp/8/8/8/8/PP1Q1PPP/4K3 w - - 0 1", "Qxd7+ Kxd7 Kd2", "Qe2+ Kf8 h3", ""),
    case("e4 e5 Nf3 Nc6 Bc4 Nf6", "Nc3 Nxe4 Nxe4 d5", "d3 Be7", "runs into the sacrifice 4...Nxe4"),
    # What a sentence said of a wrong piece, square or line.
    # A queen was lost to the removal of a guard, which was the queen itself.
    case("3qk3/5ppp/p7/3p4/7B/2N5/5PPP/4K3 b - - 0 1", "h6 Bxd8 Kxd8 Nxd5", "Qxh4 Nxd5",
         "loses the queen and a pawn for a bishop to 2. Bxd8: a bishop attacks the queen on d8"),
    # A pawn was unguarded that the king guards.
    case("8/2p5/2Pp1k2/3P2p1/1p1p1p2/6r1/2PK1R2/3B4 w - - 6 42", "c3 dxc3+ Kc2 Ke5 Kb3 Kxd5 Kxb4 Kxc6 Rf3 Kd5",
         "Rh2 f3 Rh7 g4 Rxc7 Rg2+ Kd3 Rg1 Kd2",
         "loses two pawns to 42...dxc3+: the pawn on c3 is attacked three times and guarded once", 462),
    # The move that takes a bishop missed a win of it.
    case("4k3/pp1n1ppp/8/2b5/N7/4P3/P4PPP/2R1K3 w - - 0 1", "Rxc5 Nxc5 Nxc5 b6", "Nxc5 Nxc5 Rxc5 Kd7",
         "takes the bishop on c5 with the wrong piece"),
    # A bishop trade was a bishop unguarded.
    case("4r1k1/2p2pbp/2Pp2p1/Bp1P1b2/3p3P/5P1N/P1P3B1/3K3R b - - 0 23", "Bxh3 Bxh3 d3 cxd3 Ra8 Bxc7 Be5 f4 Bxf4",
         "Ra8 Bxc7 Rxa2 Re1 Bxc2+ Kc1 h6 Bxd6 Bf5", "misses 23...Ra8, which attacks the bishop on a5",
         366),
    # One pawn was the reason of a lost game.
    case("e4 e5 Nf3", "h6 Nxe5", "Nc6 Bb5", "misses 2...Nc6, which prevents 3. Nxe5", 700),
    # A rook was lost where it is the queen, which the loser gave back for a rook.
    case("rnb1k2r/ppp1qpbp/3p2p1/3P4/3p1BPP/8/PPP1QPB1/R3K1NR b KQkq - 4 11",
         "O-O Qxe7 Bd7 O-O-O Re8 Qxe8+ Bxe8 h5 g5", "Qxe2+ Nxe2 Bxg4 f3 Bd7 O-O-O Na6 Nxd4 O-O-O",
         "loses the queen to 12. Qxe7: the queen on e7 is unguarded", 905),
    # A queen that goes for two rooks was lost for a rook and a knight.
    case("2br3k/Rp6/1Q4p1/3Pp2p/2Pr3q/1P2bP1P/4N1BK/5R2 w - - 5 33", "Nxd4 Bxh3 Qxd8+ Qxd8 Bxh3 exd4 f4 d3 Rxb7",
         "Ra8 Rg8 Nxd4 exd4 f4 Bf5 Rxg8+ Kxg8", "runs into the sacrifice 33...Bxh3", 400),
    # A missed queen was the loss of a knight.
    case("r3r1k1/ppp2pbp/3p2p1/2nP1b2/1P1p1B1P/5P2/P1PK2B1/3RQ1NR b - - 2 17",
         "a5 bxc5 Rxe1 Rxe1 Rc8 Bh3 dxc5 Bxf5 gxf5", "Rxe1 Rxe1 Na4 Ne2 Nb6 Bh3 Bxh3 Rxh3",
         "loses a knight to 18. bxc5: a pawn attacks the knight on c5", 356),
    # A pawn was won that can be taken back.
    case("4k3/7p/2n5/4p3/3P4/8/7P/4K3 w - - 0 1", "h4 Ke7", "dxe5 h6 h3", ""),
    # A knight was won that the other side need not give.
    case("4k3/5ppp/3n4/8/2P5/1P6/5PPP/4K3 w - - 0 1", "h3 Kd7", "Kd2 Nxc4+ bxc4 Kd7", ""),
    # A rook was not missed where the other side takes first, which is threatened.
    case("3r1bkr/p2b2p1/1pp5/4P2p/8/2Q1B2P/PP4P1/5RK1 w - - 0 24",
         "e6 Bxe6 Qxc6 Bxa2 Qa4 Bd5 Qxa7 h4 Bxb6 Ra8 Qd7 Rh5",
         "Qc4+ Kh7 Qd3+ g6 e6 Bxe6 Qxd8 Bg7 Qe7 Bxa2 Bg5 Rg8 Bf6 Bc4",
         "wins only a pawn instead of a rook for two pawns", 246),
    # A bishop was lost whose taker is taken.
    case("1k3r2/pb6/8/8/8/5P2/P6P/1K3R2 w - - 0 1", "a3 Bxf3", "f4 a6",
         "loses a pawn to 1...Bxf3: the pawn on f3 is attacked twice and guarded once"),
    # The exchange was lost where the queen falls next.
    case("3r2k1/6pp/b7/8/8/5Q2/6PP/5RK1 w - - 0 1", "h3 Bxf1 Kxf1 Rf8 Qxf8+ Kxf8", "Rf2 h6",
         "loses the queen for a bishop after 1...Bxf1 2. Kxf1 Rf8", 900),
    # A knight was lost where one goes for the other, and a bishop.
    case("r4rk1/pN3ppp/2n2b2/8/3p4/3P1BP1/PP2PP1P/2R2RK1 b - - 0 19", "Rab8 Rxc6 Rxb7 Rxf6 Rxb2 Ra6 Rc8 Rxa7 g6 a4",
         "Ne5 Be4 Rab8 b3 g6 Nd6 Be7 Nc4 Nxc4 Rxc4 f5", "loses a bishop for a pawn after 20. Rxc6 Rxb7 21. Rxf6",
         359),
    # A pawn was lost that is won back, where a bishop could be won.
    case("3r1bkr/p2b2p1/1pp5/4P2p/8/2Q1B2P/PP4P1/5RK1 w - - 0 24", "e6 Bxe6 Qxc6 Bxa2 Qa4 Bd5 Qxa7 h4 Bxb6 Ra8",
         "Qc4+ Kh7 Qd3+ g6 Rf7+ Bg7 Rxd7 Rxd7 Qxd7 Rg8", "wins only a pawn instead of a bishop", 218),
    # A pawn was lost for a rook, which the other side makes of a pawn.
    case("6k1/P7/8/7R/4P3/2N1K3/1P4rp/r7 w - - 1 53",
         "Ne2 Rxa7 Nf4 Rh7 Rxh7 Kxh7 Nxg2 h1=Q Nf4 Qc1+ Kf3 Qxb2 Kg3 Qb3+",
         "Kf3 Rxb2 Nd1 Ra3+ Ne3 Rxa7 Ng4 Raa2 Kg3 Rg2+ Kf4 Kg7 Rh4 Rac2",
         "misses 53. Kf3, which attacks the rook on g2", 292),
    # A mate in nine was the reason of a lost game.
    case("r5k1/5ppp/8/8/8/8/r4PPP/1R4K1 w - - 0 1", "Rd1 Ra1 h3 Rxd1+ Kh2", "Rc1 h6", "", mate_played=-9,
         cost_cp=150.0),
    # A rook was lost where both lines are mate.
    case("5rk1/5ppp/8/8/8/8/r4PPP/4R1K1 b - - 0 1", "h6 f3 Ra1 Rxa1", "Rfa8 h3", "", mate_played=-6, mate_better=-9),
    # What hid the reason.
    # The queen sacrifice of Tal against Smyslov attacked a rook.
    case("r1bb1r1k/p2n1ppp/2p4N/7Q/2p5/2B2N2/qPP2PPP/2KR3R b - - 1 18", "Nf6 Qxf7 Qa1+ Kd2 Rxf7 Nxf7+ Kg8 Rxa1 Kxf7",
         "Bc7 Nxf7+ Kg8 Nh6+ Kh8 Nf7+", "runs into the sacrifice 19. Qxf7; if it is taken, 19...Rxf7 20. Nxf7+ Kg8",
         400, 0, taken="Rxf7 Nxf7+ Kg8 Nxd8"),
    # Botvinnik's bishop, given against Capablanca, drove a queen away.
    case("4q3/p5kp/1p2Pnp1/3pQ3/2pP4/1nP3N1/1B4PP/6K1 b - - 4 29", "Qe7 Ba3 Qxa3 Nh5+ gxh5 Qg5+ Kf8 Qxf6+ Kg8",
         "Na5 Qc7+ Kg8 Qd6 Qf8 e7 Qf7 Ba3 Kg7",
         "runs into the sacrifice 30. Ba3; if it is taken, 30...Qxa3 31. Nh5+ gxh5", 400, 0,
         taken="Qxa3 Nh5+ gxh5 Qg5+"),
    # A bishop was dropped and a rook missed.
    case("6k1/r4pp1/7p/8/8/4B3/5PPP/6K1 w - - 0 1", "Bxh6 gxh6 h3", "Bxa7 Kh7 h3",
         "loses a bishop for a pawn to 1...gxh6: the bishop on h6 is unguarded", 400, 0),
    # A fork comes a move later.
    case("r1bq1rk1/1p1npp1p/p1p2bp1/3p4/3P4/1PN1PNP1/P1P2P1P/R2QKB1R w KQ - 0 10", "Bd3 e5 Bf1 h5 Bg2 e4 Nd2",
         "Bh3 Re8 Qd2 Qc7 O-O e5",
         "runs into 10...e5, which threatens a fork of bishop and knight by the pawn on e4", 400,
         0),
    # A plan takes two moves.
    case("r3r1k1/p2q1ppp/1pn2n2/3p4/P1pP4/2P1P1N1/1BQ2PPP/4RRK1 b - - 5 17", "Na5 f3 Nb3 e4 Qxa4 e5 Nd7 Qf2 g6",
         "h5 f3 h4 Nh1 Nh5 Bc1 Ne7", "misses 17...h5 18. f3 h4, which drives the knight on g3 away", 400,
         0),
    # What was told first and costs less, or is not so.
    # A king was exposed to a queen that goes off.
    case("rnb1kbnr/pppp1pp1/4p2p/4P3/3P1q2/2NQ1N1P/PPP2PP1/R3KB1R w KQkq - 0 10", "Qe3 Qxe3+ fxe3 a6 Bd3 d6 O-O Nc6",
         "g3 Qf5 Qd1 Qh7 d5 Bb4 Bd3 g6", "trades queens while behind in material", 344, -266,
         is_blunder=True),
    # The exchange was lost in the middle of an exchange.
    case("r1b2rk1/ppp2ppp/8/2bBp1q1/3nP3/2N2Q2/PPP2PPP/R1B1K2R w KQ - 0 10",
         "Qxf7+ Rxf7 Bxg5 Nxc2+ Kd2 Nxa1 Rxa1 c6 Bxf7+ Kxf7 Be3 Be7", "Bxg5 Nxf3+ gxf3 c6 Bb3 Bd4 Be3 a5 a4 Bh3",
         "misses a chance to win a knight", 691, 678, is_blunder=True),
    # A queen was not lost by a side that was losing.
    case("r1b1kbnr/ppp2pp1/n3p2p/1N2P3/6P1/2Q2N1P/q4P2/3RKB1R w Kkq - 2 18", "Qa3 Bxa3 Nxa3 Bd7 Bxa6 bxa6",
         "Bc4 Qa4 O-O Qb4 Qd4 Be7", "loses the queen for a bishop to 18...Bxa3: a bishop attacks the queen on a3",
         528, -319),
    # A blunder missed development.
    case("r1bqkb1r/ppp1n1pp/3p1p2/8/2BPP3/8/PP3PPP/RNBQK2R w KQkq - 2 8", "h3 d5 exd5 Nf5", "O-O c6 Re1 d5", "",
         250, 50, is_blunder=True),
    # A fork was hidden behind the wrong piece that takes.
    case("r3k3/pn3ppp/8/P1rN4/8/8/2P2PPP/4K3 b - - 0 1", "Rxa5 Nc7+ Kd7 Nxa8", "Nxa5 c4",
         "loses a rook for a pawn to a fork of king and rook by the knight on c7", is_blunder=True),
    # A pawn was not missed because another one was traded.
    case("4k3/ppp2ppp/4p3/3pp3/4P3/3P1N2/PPP2PPP/4K3 w - - 0 1", "exd5 exd5 h3 f6", "Nxe5 Ke7 h3 h6",
         "misses a chance to win a pawn"),
    # An attacked queen that moves away prevented her capture.
    case("4k3/ppp2ppp/8/8/6b1/8/PPPP1PPP/3QK3 w - - 0 1", "h3 Bxd1 Kxd1 h6", "Qb1 Kd7", "", 100,
         0),
    # A queen was driven away where a rook hangs.
    case("rnb1k1nr/pp4pp/2p2p2/3p4/4q2P/4Q1P1/PP2PP2/RN2KBNR w KQkq - 1 11", "Qc5 Na6 Qe3 Qxe3 fxe3 Nh6 Nc3 Ng4",
         "Qxe4+ dxe4 Nc3 f5 Nh3 Nf6", "leaves the rook on h1 en prise", 440, -137,
         is_blunder=True),
    # The queen was lost by a side that was losing, for more than the evaluation fell.
    case("rnr3k1/5ppp/8/qp2P3/8/2b5/P2QBPPP/2R2RK1 w - - 0 23", "Qd7 Nxd7 Bg4 Rc7 Bxd7 Rxd7 g3 Bxe5", "Qe3 b4",
         "loses the queen to 23...Nxd7: the queen on d7 is unguarded", 431, -257,
         is_blunder=True),
    case("rnr3k1/3Q1ppp/8/qp2P3/8/2b5/P3BPPP/2R2RK1 b - - 1 23", "Na6 e6", "Nxd7 Bg4 Rc7 Bxd7 Rxd7 h4 Bd4 a3 Qxa3",
         "misses a chance to win the queen", 506, 696, is_blunder=True),
    case("2k2bnr/Qpp1pppp/8/8/1r2q2N/6Pb/PP2BP1P/R1B1R1K1 b - - 0 15",
         "Qc6 Qa8+ Kd7 Rd1+ Qd6 Bf4 e5 Bxe5 Nf6 Bxd6 Bxd6 Qxh8", "Ra4 Qc5 Nf6 Qc3 Qb4 Qxb4 Rxb4 Nf3 h6 a3",
         "loses the queen, a rook and a pawn for a bishop to a pin: the queen on d6 is pinned to the king",
         668, 4, is_blunder=True),
    # What is lost was hidden behind the wrong piece that takes.
    case("r3kbnr/ppnQ2pp/4bp2/1N2p3/P1P1p3/8/3P1PPP/R1B1K1NR b KQkq - 0 13", "Bxd7 Nxc7+ Kd8",
         "Kxd7 Nxc7 Kxc7 Ne2 Rc8 O-O Ne7", "loses a knight to 14. Nxc7+: the knight on c7 is unguarded",
         743, 598, is_blunder=True),
    # Blunders drove a queen or a knight away, which moved and was none the worse.
    case("2r2rk1/1p1b1ppn/p6p/2p1P1q1/P1Pp4/1B1P3P/RB2QPP1/4R1K1 w - - 3 22", "g4 Qh4 Bc1", "Bc1 Qg6 Kh2 Rce8 Ba3 f6",
         "", 219, 30, is_blunder=True),
    case("e4 e5 f4 exf4 Bc4 Qh4+ Kf1", "Bc5 d4 Bb6", "Nf6 Nc3 Ng4", "", 250, 50, is_blunder=True),
    # A king was exposed to a queen that goes off a move later.
    case("r2qk2r/ppp2ppp/2n5/4p3/6b1/5N2/PPP1BPPP/RN1Q1RK1 w kq - 0 1", "a3 Bxf3 gxf3 Qxd1 Rxd1 Rd8",
         "c3 Kf8", ""),
    # A bishop was won by a line that ended before its taker was taken.
    case("r4rk1/5pbp/p2ppq2/2p4p/Np2PBn1/1B1P4/PPPQ4/2KR2N1 w - - 2 19", "Nf3 e5", "Bg5 Bh6 Bxf6 Bxd2+",
         "runs into 19...e5, which attacks the bishop on f4", 278, -19, is_blunder=True),
    # A knight was won that a line's last move had put where it may be taken.
    case("r4r1k/6b1/p2p3p/2pBq2p/Np2P3/3P4/PPPQ4/1K5R b - - 2 26", "Qg5 Qxg5 hxg5", "Rab8 d4 Qxd4 Qc1 Rf2 Nb6", "",
         631, 442, is_blunder=True),
    # A pawn was missed, and a rook falls later.
    case("r3k3/pp2p1pp/8/3p4/1N6/8/PPP2PPP/4K3 w - - 0 1", "h3 e6 a3 h6 b3 g6 g3 b6 f3 g5 f4 a5 g4",
         "Nxd5 a6 h3 h6 a3 g6 b3 b6 Nc7+ Kd7 Nxa8 g5 g3",
         "misses a chance to win a rook and a pawn through a fork of king and rook by the knight on c7",
         is_blunder=True),
    # Material is no reason where the evaluation hardly changes.
    case("e4 e5 Nf3", "h6 Nxe5", "Nc6 Bb5", "loses a pawn to 3. Nxe5: the pawn on e5 is unguarded", 80,
         0),
    case("e4 e5 Nf3", "h6 Nxe5", "Nc6 Bb5", "misses 2...Nc6, which prevents 3. Nxe5", 60, 0),
    case("e4 e5 Nf3", "h6 Nxe5", "Nc6 Bb5", "misses 2...Nc6, which prevents 3. Nxe5", 80, -400),
    # A knight was "missed" of a side that would not have stood better with it.
    case("4k3/ppp2ppp/8/3n4/4P3/8/PPP2PPP/4K3 w - - 0 1", "h3 Nf6 Kd2 h6", "exd5 Kd7 Kd2",
         "misses a chance to win a knight", 200, 290),
    case("4k3/ppp2ppp/8/3n4/4P3/8/PPP2PPP/4K3 w - - 0 1", "h3 Nf6 Kd2 h6", "exd5 Kd7 Kd2",
         "misses 1. exd5, which takes the knight on d5", 200, 20),
    # What becomes of an ending.
    case("r7/8/6pk/P2R1p1p/5K2/8/5P2/8 w - - 2 40", "Ke5 Kg5 Kd4 Kf4", "Kg3 Kg5 f4+ Kh6",
         "turns a won ending into an even one after 40...Kg5 41. Kd4 Kf4", 302, 412),
    case("r7/8/6pk/P2R1p1p/5K2/8/5P2/8 w - - 2 40", "Ke5 Kg5 Kd4 Kf4", "Kg3 Kg5 f4+ Kh6",
         "turns an even ending into a lost one after 40...Kg5 41. Kd4 Kf4", 358, -54),
    case("r7/8/6pk/P2R1p1p/5K2/8/5P2/8 w - - 2 40", "Ke5 Kg5 Kd4 Kf4", "Kg3 Kg5 f4+ Kh6", "", 100,
         412),
    case("r7/8/6pk/P2R1p1p/5K2/8/5P2/8 w - - 2 40", "Ke5 Kg5 Kd4 Kf4", "Kg3 Kg5 f4+ Kh6", "", 900,
         412),
    # An answer that was there anyway.
    case("e4 e5 Nf3 Nc6", "a3 Nf6", "Nc3 Bb4", "runs into 3...Nf6, which attacks the pawn on e4", 90),
    case("e4 e5 Nf3 Nc6", "a3 Nf6", "Bb5 a6", "misses 3. Bb5, which develops the bishop on f1", 90),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "sentence"), CASES)
def test_known_positions_are_explained(lines, sentence):
    assert find_reason(lines).text == sentence
    played, better, taken = (
        [chess.Move(m.from_square ^ 56, m.to_square ^ 56, m.promotion) for m in line]
        for line in (lines.played, lines.better, lines.taken)
    )
    mirrored = replace(lines, board=lines.board.mirror(), played=played, better=better, taken=taken)
    squares = re.sub(
        r"(?<=[a-h])[1-8]", lambda rank: str(9 - int(rank[0])), without_numbers(sentence)
    )
    assert without_numbers(find_reason(mirrored).text) == squares


def without_numbers(sentence):
    return re.sub(r"\d+\.+ ?", "", sentence)


@pytest.mark.parametrize(
    ("code", "sentences"),
    [("de", ["verliert einen Turm durch eine Gabel des Springers auf c7 gegen König und Turm",
             "verliert die Dame für einen Bauern durch 2. exd5: ein Bauer greift die Dame auf d5 an",
             "verliert einen Springer durch eine Fesselung: der Springer auf c6 ist an den König gefesselt",
             "verpasst Matt in 2 und lässt Matt in 9 zu"]),
     ("fr", ["perd une tour par une fourchette du cavalier en c7 sur roi et tour",
             "perd la dame pour un pion par 2. exd5 : un pion attaque la dame en d5",
             "perd la dame pour une tour par une déviation : la tour en d1 défendait la dame en d2",
             "manque un mat en 2 et permet un mat en 9"]),
     ("es", ["pierde una torre por un ataque doble del caballo de c7 contra rey y torre",
             "pierde la dama por un peón por 2. exd5: un peón ataca la dama de d5",
             "pierde un caballo por una clavada: el caballo de c6 cubre al rey",
             "deja pasar un mate en 2 y permite un mate en 9"])],
)  # fmt: skip
def test_reasons_have_the_cases_of_other_languages(code, sentences):
    """They were put together from pieces, in English only."""
    speak(code)
    reasons = {find_reason(replace(lines)).text for lines, _ in CASES}
    assert set(sentences) <= reasons
    assert max(text.count(":") for text in reasons) == 1, "French had a colon before a tactic's own"


@pytest.mark.parametrize(
    ("start", "line", "sacrifices"),
    [
        ("4kb1r/p2n1ppp/4q3/4p1B1/4P3/1Q6/PPP2PPP/2KR4 w k - 1 16", "Qb8+ Nxb8 Rd8#", True),
        ("r1bk2nr/p2p1pNp/n2B4/1p1NP2P/6P1/3P1Q2/P1P1K3/q5b1 w - - 3 22", "Qf6+ Ne7 Bxe7#", True),
        (
            "1r2k1r1/pbppnp1p/1b3P2/8/Q7/B1PB1q2/P4PPP/3R2K1 w - - 0 21",
            "Qxd7+ Kxd7 Bf5+ Ke8 Bd7+ Kf8",
            True,
        ),
        (LEGAL.removesuffix(" Nxe5"), "Nxe5 Bxd1 Bxf7+ Ke7 Nd5#", True),
        ("e4 e5 Nf3 Nc6 Bb5 a6", "Bxc6 dxc6 O-O f6", False),
    ],
)
def test_a_sacrifice_offers_more_than_it_takes(start, line, sacrifices):
    board = position(start)
    assert is_sacrifice(board, moves(board, line)) is sacrifices


def test_motifs_of_puzzles_are_those_that_people_named(test_data):
    """Most puzzles in which the rules name a motif have it as a theme; the others have it beside
    their theme.
    """
    least = {
        "a fork": ("fork", 0.8),
        "a skewer": ("skewer", 0.75),
        "a discovered": ("discoveredAttack", 0.8),
    }
    named = {text: [] for text in least}
    with (test_data / "puzzles" / "lichess.csv").open() as file:
        for row in itertools.islice(csv.DictReader(file), 8000):
            themes = set(row["Themes"].split())
            # without a length nobody named themes
            if not themes & {"short", "long", "veryLong"} or "mate" in themes:
                continue
            board = chess.Board(row["FEN"])
            mistake, *line = map(chess.Move.from_uci, row["Moves"].split())
            board.push(mistake)
            text = next((text for text in least if motif(board, line).text.startswith(text)), None)
            if text is not None:
                named[text].append(least[text][0] in themes)
    for text, (_, share) in least.items():
        assert sum(named[text]) >= share * len(named[text]) > 0, text


@pytest.mark.parametrize(
    ("start", "line", "purpose"),
    [
        ("e4 c5 d4 cxd4 Nf3 e5 Nxe5", "Qa5+ c3 Qxe5", "which attacks the knight on e5"),
        ("e4 e5 f4 exf4 Bc4 Qh4+ Kf1 Bc5", "d4 Bb6", "which drives the bishop on c5 away"),
        (
            "r3k3/b7/8/8/8/8/5P2/R5K1 b - - 0 1",
            "Bxf2+ Kxf2 Rxa1",
            "which uncovers an attack on the rook on a1",
        ),
        ("4k3/1p3ppp/2n5/8/8/8/4BPPP/4K3 w - - 0 1", "Bb5 Kd7", "which pins the knight on c6"),
        ("4k3/8/1p6/2p5/P7/8/8/4K3 b - - 0 1", "c4 Kd2", ""),
        ("e4 e5", "Nf3 Nc6", "which attacks the pawn on e5"),
    ],
)
def test_a_move_is_told_by_what_it_does(start, line, purpose):
    board = position(start)
    assert purpose_of(board, moves(board, line)) == purpose


def test_a_piece_that_may_be_taken_threatens_nothing():
    """20...Nxe4 "threatened" a fork, and was taken."""
    board = position("r2qr1k1/1ppn1pp1/p2p1n2/3Pp1B1/4B3/bP5P/P1P1QP2/1K1R3R b - - 2 20")
    assert threat(board, board.parse_san("Nxe4")) == ""
