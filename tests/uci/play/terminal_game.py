"""A terminal game with scripted input, fake engines and a console that writes to text."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import chess
import chess.pgn
from rich.console import Console

from engine.options import EngineOptions
from engine.search.limits import Limits, SearchJob
from engine.search.result import OnInfo, SearchInfo, SearchResult
from tests.protocol.fake_engine import FakeEngine
from uci.game.clock import GameClock
from uci.game.ends import GameEnd
from uci.game.level import Level
from uci.game.timed_game import Setup
from uci.play import loop
from uci.play.game import Ask, TerminalGame, TerminalSettings
from uci.terminal.board_view import BoardStyle

PLAIN = BoardStyle(color=False, symbols=False)
ONE_NODE = Setup(levels=dict.fromkeys(chess.COLORS, Level(nodes=1)))
FOOLS_MATE_NEXT = "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2"


class KnightShuffler(FakeEngine):
    """Black moves its king's knight out and back."""

    def _moves(self, limits: Limits) -> list[chess.Move]:
        out, back = chess.Move.from_uci("g8f6"), chess.Move.from_uci("f6g8")
        return [out if self.board.is_legal(out) else back]


class Optimist(FakeEngine):
    """Thinks that the side to move, which asks for the draw, is worse."""

    def _info(self, move: chess.Move, rank: int) -> SearchInfo:
        return replace(super()._info(move, rank), score_cp=-10, wdl=(300, 300, 400))


class Sicilian(FakeEngine):
    """Answers with the c-pawn where it can."""

    def _moves(self, limits: Limits) -> list[chess.Move]:
        return sorted(self.board.legal_moves, key=lambda move: move.uci() != "c7c5")


class Ponderer(FakeEngine):
    """Thinks until it is stopped."""

    def search(
        self, limits: Limits, on_info: OnInfo | None = None, job: SearchJob | None = None
    ) -> SearchResult:
        return super().search(replace(limits, infinite=True), on_info, job)


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def play(
    *inputs: str,
    fen: str = chess.STARTING_FEN,
    board: chess.Board | None = None,
    human: chess.Color | None = chess.WHITE,
    engine_class: type[FakeEngine] = FakeEngine,
    clock: GameClock | None = None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[TerminalGame, GameEnd, str]:
    """A game with the given answers, a pause before each; the input ends after them."""
    output = io.StringIO()
    answers: Iterator[str] = iter(inputs)

    def ask(prompt: str, left_s: float | None = None) -> str:
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


def new_game(
    console: Console, engine: FakeEngine, ask: Ask, setup: Setup = ONE_NODE
) -> TerminalGame:
    setup = replace(setup, levels=ONE_NODE.levels)
    return TerminalGame(console, engine, setup, TerminalSettings(PLAIN, scores=True), ask)  # type: ignore[arg-type]
