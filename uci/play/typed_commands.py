"""What one can type in a terminal game besides moves, in one table."""

from collections.abc import Callable
from dataclasses import dataclass

import chess

from engine.board.pgn.game_writer import game_text
from engine.search.result import SearchResult
from uci.common.board_view import render_bar
from uci.common.evaluation import Evaluation
from uci.game.clock import clock_text
from uci.game.ends import (
    DECLINED,
    DRAW_AGREED,
    DRAW_FROM_PLY,
    TOO_EARLY,
    GameEnd,
    accepts_draw,
    end_by_resigning,
)
from uci.game.level import LEVEL_FORMS, parse_level
from uci.language import _, later, shown_moves
from uci.openings.opening_names import opening_name
from uci.play.game import TerminalGame

_MOVES_FORM = later("a move          e4, Nf3, exd5, O-O or castle, e8=Q, or from and to: g1f3")


@dataclass(frozen=True)
class Command:
    """`run(game)`, or `run(game, argument)`, returns how the game ended, or None. Its line in the
    help has its `form`, or else its word, and `help`; one with aliases needs a form.
    """

    run: Callable[..., GameEnd | None]
    help: str
    form: str = ""
    has_argument: bool = False

    def obey(self, game: TerminalGame, argument: str) -> GameEnd | None:
        """Do what a person has typed."""
        if self.has_argument:
            return self.run(game, argument)
        return self.run(game)


def typed_words() -> dict[str, Command]:
    """Return the commands by the words that a person may type: in English, and in the language that
    is spoken here.
    """
    commands = dict(TYPED_COMMANDS)
    for name, command in TYPED_COMMANDS.items():
        for word in _(name, "command").split():
            commands.setdefault(word, command)
    return commands


def _help(game: TerminalGame) -> None:
    commands = typed_words()
    words = dict[str, list[str]]()  # of the language, by help
    for word, command in commands.items():
        if word not in TYPED_COMMANDS:
            words.setdefault(command.help, []).append(word)
    lines = dict[str, None]()  # to which aliases add none
    for word, command in commands.items():
        form = ", ".join(words.get(command.help, [command.form or word]))
        lines[f"{form:15} {_(command.help)}"] = None
    game.say("\n".join([_(_MOVES_FORM), *lines]))


def _hint(game: TerminalGame) -> None:
    result = game.search()
    if result.best_move is None:
        return
    move = shown_moves(game.board.san(result.best_move))
    if game.settings.scores:
        move += f" ({opinion(result, game.board.turn)})"
    game.say(_("Aino would play {move}", move=move))


def _eval(game: TerminalGame) -> None:
    result = game.search()
    if not result.infos:
        return
    evaluation = Evaluation.of_info(result.infos[0]).seen_by_white(game.board.turn)
    game.say(render_bar(evaluation, game.settings.style))
    game.say(_("White: {chances}", chances=evaluation.wdl_text))
    line = shown_moves(game.board.variation_san(result.infos[0].pv))
    game.say(_("best line: {moves}", moves=line))


def opinion(result: SearchResult, mover: chess.Color) -> str:
    """Return what the engine thinks of the move it plays, which need not be the best where its
    strength is limited.
    """
    played = [child for child in result.children if child.move == result.best_move and child.visits]
    if played:
        evaluation = Evaluation.of_move(played[0])
    elif result.infos:
        evaluation = Evaluation.of_info(result.infos[0])
    else:
        return _("book")
    return evaluation.seen_by_white(mover).white_text


def _scores(game: TerminalGame) -> None:
    game.settings.scores = not game.settings.scores
    if game.settings.scores:
        game.say(_("scores are on"))
    else:
        game.say(_("scores are off; eval still shows them"))


def _takeback(game: TerminalGame) -> None:
    if game.take_back():
        game.show()
    else:
        game.say(_("you have no move to take back"))


def _draw(game: TerminalGame) -> GameEnd | None:
    """Aino agrees when it thinks that it is not better, and not at the start of a game."""
    if game.board.ply() < DRAW_FROM_PLY:
        game.say(_(TOO_EARLY))
        return None
    result = game.search()
    if result.infos and accepts_draw(Evaluation.of_info(result.infos[0])):
        return DRAW_AGREED
    game.say(_(DECLINED))
    return None


def _resign(game: TerminalGame) -> GameEnd | None:
    assert game.human is not None
    if game.confirms(_("Resign this game?")):
        return end_by_resigning(game.human)
    game.say(_("the game goes on"))
    return None


def _level(game: TerminalGame, argument: str) -> None:
    change = ""
    if argument:
        game.level = parse_level(argument)
    else:
        change = _(". To change it, type level and one of: {forms}", forms=_(LEVEL_FORMS))
    game.say(_("level: {level}", level=_(game.level.text)) + change)


def _clock(game: TerminalGame) -> None:
    clock = game.clock
    if clock is None:
        game.say(_("This game has no clock. To play with one, start with --clock 5+3."))
        return
    white, black = clock_text(clock.left(chess.WHITE)), clock_text(clock.left(chess.BLACK))
    game.say(_("White {white}, Black {black}", white=white, black=black))


def _moves(game: TerminalGame) -> None:
    game.say(" ".join(sorted(shown_moves(game.board.san(move)) for move in game.board.legal_moves)))


def _history(game: TerminalGame) -> None:
    line = game.board.root().variation_san(game.board.move_stack)
    game.say(shown_moves(line) or _("no moves yet"))


def _flip(game: TerminalGame) -> None:
    game.perspective = not game.perspective
    game.show()


def _opening(game: TerminalGame) -> None:
    game.say(opening_name(game.board) or _("Aino has no name for this opening"))


def _pgn(game: TerminalGame) -> None:
    game.say(game_text(game.record()).rstrip())


def _quit(game: TerminalGame) -> None:
    raise EOFError


TYPED_COMMANDS: dict[str, Command] = {
    "hint": Command(_hint, "show what Aino would play"),
    "eval": Command(_eval, "show what Aino thinks of the position"),
    "scores": Command(_scores, "show or hide what Aino thinks of its moves"),
    "takeback": Command(_takeback, "undo your last move", "takeback, undo"),
    "draw": Command(_draw, "offer a draw"),
    "resign": Command(_resign, "resign; asks first"),
    "level": Command(
        _level,
        "set the level: easy, medium, hard, elo 1500, people 1400, time 2, nodes 500, full",
        "level [LEVEL]",
        has_argument=True,
    ),
    "easy": Command(lambda game: _level(game, "easy"), "change Aino's level", "easy, hard"),
    "hard": Command(lambda game: _level(game, "hard"), "change Aino's level", "easy, hard"),
    "clock": Command(_clock, "time left"),
    "moves": Command(_moves, "list all legal moves"),
    "history": Command(_history, "list the moves played so far"),
    "board": Command(TerminalGame.show, "show the board again"),
    "flip": Command(_flip, "turn the board around"),
    "opening": Command(_opening, "show the opening's name"),
    "fen": Command(lambda game: game.say(game.board.fen()), "show the position as FEN"),
    "pgn": Command(_pgn, "show the game so far as PGN"),
    "help": Command(_help, "this list", "help"),
    "quit": Command(_quit, "save the game and leave (also Ctrl-D, Ctrl-C)", "quit, exit"),
}
TYPED_COMMANDS |= {
    "undo": TYPED_COMMANDS["takeback"],
    "?": TYPED_COMMANDS["help"],
    "exit": TYPED_COMMANDS["quit"],
}
