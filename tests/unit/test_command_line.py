"""The help of both commands: it fits narrow terminals, and examples stay as they are to be typed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

import pytest

import selfplay.main
import uci.main
from engine.cli.command_line import HelpFormatter

TOP = [(uci.main.main, uci.main.SUBCOMMANDS), (selfplay.main.main, selfplay.main.COMMANDS)]


def test_prose_is_wrapped_and_examples_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    command = "  aino " + "word " * 20 + "end"
    epilog = f"examples:\n{command}\n\nSome words of prose that a line\nof 40 columns cannot hold.\n"
    text = argparse.ArgumentParser(prog="x", epilog=epilog, formatter_class=HelpFormatter).format_help()
    wrapped = "Some words of prose that a line of 40\ncolumns cannot hold.\n"
    assert text.endswith(f"examples:\n{command}\n\n{wrapped}")


@pytest.mark.parametrize(("main", "commands"), TOP, ids=["aino", "aino-train"])
def test_list_of_commands_fits_a_narrow_terminal(
    main: Callable[[Sequence[str]], int],
    commands: Iterable[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert {line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "} >= set(commands)


@pytest.mark.parametrize("name", selfplay.main.COMMANDS)
def test_help_of_every_training_command_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        selfplay.main.main([name, "--help"])
    assert f"  aino-train {name} " in capsys.readouterr().out.rpartition("example")[2]
