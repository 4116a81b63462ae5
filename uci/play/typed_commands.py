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
    """`run(game, argument)` returns how the game ended, or None; `form` and `help` are its line in
    the help.
    """

    run: Callable[[TerminalGame, str], GameEnd | None]
    form: str
    help: str


def typed_words() -> dict[str, Command]:
    """Return the commands by the words that a person may type: in English, and in the language that
    is spoken here.
    """
    commands = dict(TYPED_COMMANDS)
    for name, command in TYPED_COMMANDS.items():
        for word in _(name, "command").split():
            commands.setdefault(word, command)
    return commands


def _help(game: TerminalGame, argument: str) -> None:
    commands = typed_words()
    forms = dict[str, str]()  # by help; aliases add no line
    for word, command in commands.items():
        if word not in TYPED_COMMANDS:
            forms[command.help] = (
                f"{forms[command.help]}, {word}" if command.help in forms else word
            )
    lines = dict[str, None]()
    for command in commands.values():
        own_form = forms.get(command.help, command.form)
        lines[f"{own_form:15} {_(command.help)}"] = None
    game.say("\n".join([_(_MOVES_FORM), *lines]))


def _hint(game: TerminalGame, argument: str) -> None:
    result = game.search()
    if result.best_move is not None:
        score = f" ({opinion(result, game.board.turn)})" if game.settings.scores else ""
        game.say(
            _(
                "Aino would play {move}",
                move=f"{shown_moves(game.board.san(result.best_move))}{score}",
            )
        )


def _eval(game: TerminalGame, argument: str) -> None:
    result = game.search()
    if not result.infos:
        return
    evaluation = Evaluation.of_info(result.infos[0]).seen_by_white(game.board.turn)
    game.say(render_bar(evaluation, game.settings.style))
    game.say(_("White: {chances}", chances=evaluation.wdl_text))
    game.say(
        _("best line: {moves}", moves=shown_moves(game.board.variation_san(result.infos[0].pv)))
    )


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


def _scores(game: TerminalGame, argument: str) -> None:
    game.settings.scores = not game.settings.scores
    game.say(
        _("scores are on") if game.settings.scores else _("scores are off; eval still shows them")
    )


def _takeback(game: TerminalGame, argument: str) -> None:
    if game.take_back():
        game.show()
    else:
        game.say(_("you have no move to take back"))


def _draw(game: TerminalGame, argument: str) -> GameEnd | None:
    """Aino agrees when it thinks that it is not better, and not at the start of a game."""
    if game.board.ply() < DRAW_FROM_PLY:
        game.say(_(TOO_EARLY))
        return None
    result = game.search()
    if result.infos and accepts_draw(Evaluation.of_info(result.infos[0])):
        return DRAW_AGREED
    game.say(_(DECLINED))
    return None


def _resign(game: TerminalGame, argument: str) -> GameEnd | None:
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


def _clock(game: TerminalGame, argument: str) -> None:
    clock = game.clock
    if clock is None:
        game.say(_("This game has no clock. To play with one, start with --clock 5+3."))
        return
    white, black = (clock_text(clock.left(side)) for side in (chess.WHITE, chess.BLACK))
    game.say(_("White {white}, Black {black}", white=white, black=black))


def _moves(game: TerminalGame, argument: str) -> None:
    game.say(" ".join(sorted(shown_moves(game.board.san(move)) for move in game.board.legal_moves)))


def _history(game: TerminalGame, argument: str) -> None:
    game.say(
        shown_moves(game.board.root().variation_san(game.board.move_stack)) or _("no moves yet")
    )


def _flip(game: TerminalGame, argument: str) -> None:
    game.perspective = not game.perspective
    game.show()


def _opening(game: TerminalGame, argument: str) -> None:
    game.say(opening_name(game.board) or _("Aino has no name for this opening"))


def _quit(game: TerminalGame, argument: str) -> None:
    raise EOFError


TYPED_COMMANDS: dict[str, Command] = {
    "hint": Command(_hint, "hint", "show what Aino would play"),
    "eval": Command(_eval, "eval", "show what Aino thinks of the position"),
    "scores": Command(_scores, "scores", "show or hide what Aino thinks of its moves"),
    "takeback": Command(_takeback, "takeback, undo", "undo your last move"),
    "draw": Command(_draw, "draw", "offer a draw"),
    "resign": Command(_resign, "resign", "resign; asks first"),
    "level": Command(
        _level,
        "level [LEVEL]",
        "set the level: easy, medium, hard, elo 1500, people 1400, time 2, nodes 500, full",
    ),
    "easy": Command(lambda game, _: _level(game, "easy"), "easy, hard", "change Aino's level"),
    "hard": Command(lambda game, _: _level(game, "hard"), "easy, hard", "change Aino's level"),
    "clock": Command(_clock, "clock", "time left"),
    "moves": Command(_moves, "moves", "list all legal moves"),
    "history": Command(_history, "history", "list the moves played so far"),
    "board": Command(lambda game, _: game.show(), "board", "show the board again"),
    "flip": Command(_flip, "flip", "turn the board around"),
    "opening": Command(_opening, "opening", "show the opening's name"),
    "fen": Command(lambda game, _: game.say(game.board.fen()), "fen", "show the position as FEN"),
    "pgn": Command(
        lambda game, _: game.say(game_text(game.record()).rstrip()),
        "pgn",
        "show the game so far as PGN",
    ),
    "help": Command(_help, "help", "this list"),
    "quit": Command(_quit, "quit, exit", "save the game and leave (also Ctrl-D, Ctrl-C)"),
}
TYPED_COMMANDS |= {
    "undo": TYPED_COMMANDS["takeback"],
    "?": TYPED_COMMANDS["help"],
    "exit": TYPED_COMMANDS["quit"],
}
