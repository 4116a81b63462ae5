"""One game from its first move to what comes after it: the result, the saved file, and what to do next."""

from __future__ import annotations

from pathlib import Path

from engine.options import EngineOptions
from uci.game.ends import UNFINISHED, GameEnd
from uci.play.game import TerminalGame
from uci.play.loop import play

# What can be typed after a game, by its first letter or in full.
_CHOICES = ("again", "swap", "takeback", "annotate", "quit")


def sit_down(game: TerminalGame, options: EngineOptions) -> TerminalGame | None:
    """Plays a game, saves it and asks what next; the next game, or None to leave.

    Whatever ends the game, it is saved if it has moves. `options` are the engine's own, without a level.
    """
    end, choice = UNFINISHED, "quit"
    told = ""
    try:
        end = play(game)
        while end != UNFINISHED:
            told = f"{end.result}: {end.reason}"
            game.say(told)
            choice = _choose(game)
            if choice != "takeback":
                break
            game.take_back()
            end = UNFINISHED
            end = play(game)
    finally:
        path = game.keep(end)
    if choice == "annotate" and path is not None:
        choice = _annotate(game, options, end, path)
    if choice not in ("again", "swap"):
        return None
    return TerminalGame(game.console, game.engine, game.again(swap=choice == "swap"), game.settings, game.asker)


def _choose(game: TerminalGame, but: tuple[str, ...] = ()) -> str:
    """What the player wants after a game; leaving the input is quitting."""
    left_out = {*but} if game.human is not None else {*but, "takeback", "swap"}
    left_out |= set() if game.board.move_stack else {"takeback", "annotate"}
    choices = [choice for choice in _CHOICES if choice not in left_out]
    initials = {choice[0] if choice != "annotate" else "n": choice for choice in choices}
    prompt = ", ".join(f"{choice} ({letter})" for letter, choice in initials.items())
    while True:
        try:
            answer = game.asker(f"{prompt}: ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            game.console.print()
            return "quit"
        if answer in choices or answer in initials:
            return initials.get(answer, answer)


def _annotate(game: TerminalGame, options: EngineOptions, end: GameEnd, path: Path) -> str:
    """Reviews the game beside its file, and asks again what next."""
    from uci.annotate.annotate import annotate_game

    game.engine.set_options(options)
    annotate_game(game.console, game.engine, game.record(end), path)
    return _choose(game, but=("annotate", "takeback"))
