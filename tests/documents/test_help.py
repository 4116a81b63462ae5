"""The help of every command, flag and option starts with a verb."""

import argparse
import importlib
from collections.abc import Iterator

import selfplay.main
import uci.main
from engine.options import OPTIONS

# The verbs that help may start with; whoever needs another one adds it.
VERBS = set(
    """
    accept aim allow analyse ask augment begin call change choose compare compile consider continue convert copy
    count decay draw end evaluate explain explore export find fit flatten forget give hide hold import increase
    judge keep label learn leave let limit list listen look lower make match measure mix multiply normalise play
    print probe promote read reject remember repeat replace reserve resign review run sample save scale score search
    seed serve set show shrink shuffle skip solve speak spread start stop store take test think time train try use value
    vary weight write
    """.split()
)


def every_help() -> Iterator[tuple[str, str]]:
    """Where it stands, and the text: all that `--help` prints for commands and flags, and the engine options once."""
    for option in OPTIONS:
        yield option.name, option.help
    tables = {"aino": uci.main.SUBCOMMANDS, "aino-train": selfplay.main.COMMANDS}
    rows = [(program, name, *row) for program, table in tables.items() for name, row in table.items()]
    for program, name, module, text in rows:
        yield f"{program} {name}", text
        parser = argparse.ArgumentParser(prog=f"{program} {name}")
        importlib.import_module(module).add_arguments(parser)
        yield from helps_of(parser)


def helps_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((f"{parser.prog} {choice.dest}", choice.help or "") for choice in action._choices_actions)
            for inner in action.choices.values():
                yield from helps_of(inner)
        elif action.help != argparse.SUPPRESS:
            yield f"{parser.prog} {(action.option_strings or [action.dest])[0]}", action.help or ""


def first_word(text: str) -> str:
    return text.partition(" ")[0].strip(",").lower()


def test_help_starts_with_a_verb() -> None:
    found = list(every_help())
    assert len(found) > 500, "the commands have fewer flags than they should"
    assert not {place: text for place, text in found if first_word(text) not in VERBS}
