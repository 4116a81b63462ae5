"""A terminal game with scripted input, fake engines and a console that writes to text."""

import io
from dataclasses import replace

import chess.pgn
from rich.console import Console

from engine.options import EngineOptions
from tests.boards import moves_in
from tests.protocol.fake_engine import FakeEngine
from uci.common.board_view import BoardStyle
from uci.game.level import NodesLevel
from uci.game.timed_game import Setup
from uci.play import loop
from uci.play.game import TerminalGame, TerminalSettings

PLAIN = BoardStyle(color=False, symbols=False)
ONE_NODE = Setup(levels=dict.fromkeys(chess.COLORS, NodesLevel(1)))
FOOLS_MATE_NEXT = "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2"


class KnightShuffler(FakeEngine):
    """Black moves its king's knight out and back."""

    def _moves(self, limits):
        out, back = moves_in("g8f6 f6g8")
        return [out if self.board.is_legal(out) else back]


class Optimist(FakeEngine):
    """Thinks that the side to move, which asks for the draw, is worse."""

    def _info(self, move, rank):
        return replace(super()._info(move, rank), score_cp=-10, wdl=(300, 300, 400))


class Sicilian(FakeEngine):
    """Answers with the c-pawn where it can."""

    def _moves(self, limits):
        return sorted(self.board.legal_moves, key=lambda move: move.uci() != "c7c5")


class Ponderer(FakeEngine):
    """Thinks until it is stopped."""

    def search(self, limits, on_info=None, job=None):
        return super().search(replace(limits, infinite=True), on_info, job)


class Time:
    """Seconds that pass when a test says so."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def play(
    *inputs,
    fen=chess.STARTING_FEN,
    board=None,
    human=chess.WHITE,
    engine_class=FakeEngine,
    clock=None,
    pause=lambda: None,
):
    """A game with the given answers, a pause before each; the input ends after them."""
    output = io.StringIO()
    answers = iter(inputs)

    def ask(prompt, left_s=None):
        output.write(prompt + "\n")
        pause()
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    engine = engine_class(EngineOptions())
    console = Console(file=output, width=200)
    game = new_game(console, engine, ask, Setup(board or chess.Board(fen), human, clock=clock))
    return game, loop.play(game), output.getvalue()


def new_game(console, engine, ask, setup=ONE_NODE):
    setup = replace(setup, levels=ONE_NODE.levels)
    return TerminalGame(console, engine, setup, TerminalSettings(PLAIN, scores=True), ask)
