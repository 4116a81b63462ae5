"""The loop of a terminal game: show, ask, answer, until the game ends or the player leaves."""

from __future__ import annotations

import chess

from engine.errors import AinoError, MoveError, did_you_mean
from engine.search.result import SearchResult
from uci.game.book import book_move
from uci.game.ends import UNFINISHED, GameEnd, end_by_flag, end_on_board
from uci.game.move_input import read_human_move
from uci.play.asking import FlagFell
from uci.play.game import TerminalGame
from uci.play.typed_commands import TYPED_COMMANDS
from uci.terminal.notation import move_number
from uci.terminal.verdict import Verdict


def play(game: TerminalGame) -> GameEnd:
    """Plays to the end; leaving (quit, the end of input, Ctrl-C) gives result "*"."""
    if game.human is not None:
        game.say("Moves like e4, Nf3 or g1f3; 'help' lists the rest.")
    game.show()
    try:
        while True:
            end = end_on_board(game.board) or (_engine_turn(game) if game.is_engine_turn else _human_turn(game))
            if end is not None:
                return end
    except (EOFError, KeyboardInterrupt):
        game.console.print()
        return UNFINISHED


def _human_turn(game: TerminalGame) -> GameEnd | None:
    game.start_clock()
    check = "check! " if game.board.is_check() else ""
    try:
        text = game.ask(f"{move_number(game.board)} {check}your move: ")
        if game.is_flag_down:
            raise FlagFell
        return _obey(game, text)
    except FlagFell:
        game.console.print()
        return end_by_flag(game.board)
    except AinoError as error:
        game.say(str(error))
    return None


def _obey(game: TerminalGame, text: str) -> GameEnd | None:
    """Plays a typed move or runs a typed command. Raises AinoErrors whose messages help."""
    if not text:
        return None
    word, _, argument = text.partition(" ")
    command = TYPED_COMMANDS.get(word.lower())
    if command is not None:
        return command.run(game, argument.strip())
    try:
        move = read_human_move(game.board, text)
    except MoveError as error:
        advice = did_you_mean(TYPED_COMMANDS, word) or "; 'help' lists what you can type"
        raise MoveError(f"{error}{advice}") from None
    game.push(move)
    if end_on_board(game.board):
        game.show()
    return None


def _engine_turn(game: TerminalGame) -> GameEnd | None:
    game.start_clock()
    mover = game.board.turn
    known = book_move(game.board, game.rng) if game.settings.book else None
    result = SearchResult(known, None, [], [], 0, 0) if known else game.search(game.levels[mover])
    if game.is_flag_down:
        return end_by_flag(game.board)
    if result.best_move is None:
        raise MoveError(f"the engine found no move in {game.board.fen()}")
    text = f"Aino plays {move_number(game.board)} {game.board.san(result.best_move)}"
    if game.settings.scores:
        text += f" ({_opinion(result, mover)})"
    game.push(result.best_move)
    game.show()
    game.say(text)
    game.tell_opening()
    return None


def _opinion(result: SearchResult, mover: chess.Color) -> str:
    """What the engine thinks of the move it plays, which need not be the best where its strength is limited."""
    played = [child for child in result.children if child.move == result.best_move and child.visits]
    if played:
        return Verdict.of_move(played[0]).seen_by_white(mover).white_text
    return Verdict.of_info(result.infos[0]).seen_by_white(mover).white_text if result.infos else "book"
