"""A terminal game: show, ask, answer, until it ends or the player leaves; then its file, and what
to do next.
"""

from pathlib import Path

from engine.board.notation import move_number
from engine.errors import AinoError, MoveError, nearest_words
from engine.search.result import SearchResult
from uci.game.ends import UNFINISHED, GameEnd, end_by_flag, end_by_giving_up, end_on_board
from uci.game.move_input import read_human_move
from uci.language import _, shown_moves
from uci.openings.opening_names import book_move
from uci.play.asking import FlagFell
from uci.play.game import TerminalGame
from uci.play.typed_commands import opinion, typed_words

# What can be typed after a game, in full or by a letter.
_CHOICES = {"again": "a", "swap": "s", "takeback": "t", "annotate": "n", "quit": "q"}


def play(game: TerminalGame) -> GameEnd:
    """Play to the end; leaving (quit, the end of input, Ctrl-C) gives result "*"."""
    if game.human is not None:
        game.say(_("Type moves such as e4, Nf3 or g1f3, or 'help' for a list of commands."))
    game.show()
    try:
        while True:
            end = end_on_board(game.board) or _turn(game)
            if end is not None:
                return end
    except (EOFError, KeyboardInterrupt):
        game.console.print()
        return UNFINISHED


def _turn(game: TerminalGame) -> GameEnd | None:
    game.start_clock()
    if game.is_engine_turn:
        return _engine_turn(game)
    return _human_turn(game)


def _human_turn(game: TerminalGame) -> GameEnd | None:
    prompt = f"{move_number(game.board)} "
    if game.board.is_check():
        prompt += _("check! ")
    try:
        text = game.ask(prompt + _("your move: "))
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
    """Play a typed move or run a typed command. Raises AinoErrors whose messages help."""
    if not text:
        return None
    word, argument = text.partition(" ")[::2]
    commands = typed_words()
    command = commands.get(word.lower())
    if command is not None:
        return command.obey(game, argument.strip())
    try:
        move = read_human_move(game.board, text)
    except MoveError as error:
        advice = _("Type 'help' for a list of commands.")
        if nearest := nearest_words(commands, word):
            advice = _("Did you mean {command}?", command=repr(nearest[0]))
        raise MoveError(f"{error}. {advice}") from None
    game.push(move)
    if end_on_board(game.board):
        game.show()
    return None


def _engine_turn(game: TerminalGame) -> GameEnd | None:
    mover = game.board.turn
    level = game.levels[mover]
    book = None
    if game.settings.book and level.knows_openings:
        book = book_move(game.board, game.rng)
    if book:
        result = SearchResult(book, None, [], [], 0, 0)
    else:
        result = game.search(level)
    if game.is_flag_down:
        return end_by_flag(game.board)
    if result.best_move is None:
        raise MoveError(f"the engine found no move in {game.board.fen()}")
    if game.resigns(result):
        return end_by_giving_up(mover)
    san = shown_moves(game.board.san(result.best_move))
    text = _("Aino plays {move}", move=f"{move_number(game.board)} {san}")
    if game.settings.scores:
        text += f" ({opinion(result, mover)})"
    game.push(result.best_move)
    game.show()
    game.say(text)
    game.tell_opening()
    return None


# ---- after the game ------------------------------------------------------------------------------


def sit_down(game: TerminalGame) -> TerminalGame | None:
    """Play a game, save it if it has moves, whatever ends it, and ask what next; return the next
    one, None to leave.
    """
    end = UNFINISHED
    choice = "quit"
    try:
        end = play(game)
        while end != UNFINISHED:
            game.say(f"{end.result}: {_(end.reason)}")
            choice = _choose(game)
            if choice != "takeback":
                break
            game.take_back()
            end = UNFINISHED
            end = play(game)
    finally:
        path = game.keep(end)
    if choice == "annotate" and path is not None:
        choice = _annotate(game, end, path)
    if choice not in ("again", "swap"):
        return None
    return TerminalGame(
        game.console, game.engine, game.again(swap=choice == "swap"), game.settings, game.asker
    )


def _choose(game: TerminalGame, but: tuple[str, ...] = ()) -> str:
    """Return what the player wants after a game; leaving the input is quitting."""
    left_out = {*but}
    if game.human is None:
        left_out |= {"takeback", "swap"}
    if not game.board.move_stack:
        left_out |= {"takeback", "annotate"}
    letters = {choice: letter for choice, letter in _CHOICES.items() if choice not in left_out}
    prompt = ", ".join(f"{choice} ({letter})" for choice, letter in letters.items())
    while True:
        try:
            answer = game.asker(f"{prompt}: ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            game.console.print()
            return "quit"
        for choice, letter in letters.items():
            if answer in (choice, letter):
                return choice


def _annotate(game: TerminalGame, end: GameEnd, path: Path) -> str:
    """Review the game beside its file, and ask again what next."""
    from uci.annotate.annotate import annotate_game

    game.engine.set_options(game.settings.options)
    annotate_game(game.console, game.engine, game.record(end), path)
    return _choose(game, but=("annotate", "takeback"))
