"""Reviews whose engine says what a script tells it, and what a page shows of them."""

import io
import json
import re
from types import SimpleNamespace

import chess.pgn

from engine.board.notation import board_after
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.result import RootMove, SearchInfo, SearchResult
from tests.protocol.fake_engine import FakeEngine
from uci.annotate.game_page import game_section
from uci.annotate.review import review_game

# Réti against Tartakower, Vienna 1910: 8...Nxe4 loses to a queen sacrifice and mate.
RETI = """\
[White "Richard Réti"]
[Black "Savielly Tartakower"]
[Result "1-0"]

1. e4 c6 2. d4 d5 3. Nc3 dxe4 4. Nxe4 Nf6 5. Qd3 e5 6. dxe5 Qa5+ 7. Bd2 Qxe5 8. O-O-O {natural} 8... Nxe4
9. Qd8+ Kxd8 10. Bg5+ Kc7 11. Bd8# 1-0
"""


FOOLS_MATE = '[White "<b>Fool & Co</b>"]\n[Result "0-1"]\n\n1. f3 e5 2. g4 Qh4# 0-1\n'


def read(text):
    return chess.pgn.read_game(io.StringIO(text))


class ScriptedEngine(FakeEngine):
    """Gives each position the values of a script: position (EPD) -> value Q of each move, for the
    side to move.
    """

    def __init__(self, script):
        super().__init__(EngineOptions())
        self.script = script
        self.shares = {}  # of people who play a move; half play any other one
        self.evaluator = SimpleNamespace(
            name="scripted", evaluate=lambda leaves, count: leaves.wdl.fill(1 / 3)
        )

    def script_of(self, limits):
        return self.script

    def search(self, limits, on_info=None, job=None):
        self.limits.append(limits)
        allowed = limits.searchmoves or tuple(self.board.legal_moves)
        values = self.script_of(limits).get(self.board.epd(), {})
        children = [
            RootMove(move, 10, 0.5, values.get(move.uci(), -0.9), 0.0, None) for move in allowed
        ]
        children.sort(key=lambda child: -child.q)
        best = children[0]
        shares = (round(500 * (1 + best.q)), 0, 1000 - round(500 * (1 + best.q)))
        line = SearchInfo(1, 1, 1, 1, 1, 0, 1, round(100 * best.q), None, shares, [best.move])
        return SearchResult(best.move, None, [line], children, 1, 1)


def script_for(game, values):
    """The script that gives the game's positions these values, in order."""
    boards = [game.board(), *(node.board() for node in game.mainline())]
    return {board.epd(): value for board, value in zip(boards, values, strict=False)}


QUIET = '[FEN "4k3/p7/8/8/8/8/P7/4K3 w - - 0 1"]\n[SetUp "1"]\n\n1. a3 a6 *\n'


def quiet_game(best, answer):
    """A game of two quiet moves, and a script with the values of 1. Ke2 and of 1...a6."""
    game = read(QUIET)
    return game, script_for(game, [{"e1e2": best}, {"a7a6": answer}, {"e1e2": -answer}])


def epd(game, *moves):
    """The position after some moves from a game's start."""
    board = game.board()
    for move in moves:
        board.push_uci(move)
    return board.epd()


def valued(game, values):
    """The script that gives the first moves of a game these values, before and behind them."""
    answers = {epd(game, move): {first_reply(game, move): -q} for move, q in values.items()}
    return {epd(game): values, **answers}


def first_reply(game, move):
    board = board_after(game.board(), chess.Move.from_uci(move))
    return next(iter(board.legal_moves)).uci()


def review(game, engine):
    def people(board, rating):
        return {move: engine.shares.get(move.uci(), 0.5) for move in board.legal_moves}

    return review_game(engine, game, Limits(nodes=1), people=people)


def section_of(reviewed):
    """The part of a page about a reviewed game."""
    return game_section(reviewed, 1, "")[1]


def steps_of(reviewed):
    """What the script of its page shows of a reviewed game, a position each."""
    script = re.search(r'class="steps">(.*?)</script>', section_of(reviewed), re.S)
    return json.loads(script[1])
