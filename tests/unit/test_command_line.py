"""The help of both commands: it fits narrow terminals, and examples stay as they are to be typed."""

import argparse
import io
import sys

import pytest

import selfplay.main
import uci.main
from engine.cli.command_line import HelpFormatter

TOP = [(uci.main.main, uci.main.SUBCOMMANDS), (selfplay.main.main, selfplay.main.COMMANDS)]


def test_prose_is_wrapped_without_its_examples(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    command = "  aino " + "word " * 20 + "end"
    epilog = (
        f"examples:\n{command}\n\nSome words of prose that a line\nof 40 columns cannot hold.\n"
    )
    text = argparse.ArgumentParser(
        prog="x", epilog=epilog, formatter_class=HelpFormatter
    ).format_help()
    assert text.endswith(
        f"examples:\n{command}\n\nSome words of prose that a line of 40\ncolumns cannot hold.\n"
    )


@pytest.mark.parametrize(("main", "commands"), TOP, ids=["aino", "aino-train"])
def test_list_of_commands_fits_a_narrow_terminal(main, commands, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert {line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "} >= set(
        commands
    )


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
@pytest.mark.parametrize(
    ("main", "name"), [(main, name) for main, commands in TOP for name in commands]
)
def test_help_of_every_command_ends_with_examples(main, name, flag, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, flag])
    assert stopped.value.code == 0
    program = "aino" if main is uci.main.main else "aino-train"
    assert f"  {program} {name} " in capsys.readouterr().out.rpartition("\nexample")[2]


def test_a_letter_that_an_encoding_lacks_is_replaced(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(
        sys, "stderr", io.TextIOWrapper(written, encoding="ascii", write_through=True)
    )
    assert uci.main.main(["net", "info", "für.dit"]) == 1
    assert b"f?r.dit" in written.getvalue()


def test_help_shows_the_settings_of_the_loop(capsys):
    with pytest.raises(SystemExit):
        selfplay.main.main(["loop", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: aino-train loop RUN [options]\n")
    assert all(f"--{section}." in text for section in ("fit", "games", "gate"))
    assert "--help-all" not in text
