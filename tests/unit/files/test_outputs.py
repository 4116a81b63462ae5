"""No command replaces what it reads, nor what Aino keeps in folders of its own."""

import argparse
import contextlib
import importlib
import os
from pathlib import Path

import pytest

import selfplay.main
import uci.main
from engine.cli.command_line import make_parser
from engine.errors import RunError
from engine.files.outputs import FOLDERS, check_output, output_file
from selfplay.lock import folder_lock
from uci.play.play import _game_file

COMMANDS = {**uci.main.SUBCOMMANDS, **selfplay.main.COMMANDS}


def parser_of(name: str) -> argparse.ArgumentParser:
    return make_parser("aino", name, "", importlib.import_module(COMMANDS[name][0]))


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_of_files_to_write_are_compared_with_all_else(name: str) -> None:
    for action in parser_of(name)._actions:
        is_file = action.type in (Path, output_file, _game_file) and "FILE" in str(action.metavar)
        writes = str(action.help).split()[0] in ("write", "save")
        assert is_file <= (writes == (action.type is not Path)), action.dest


@pytest.mark.parametrize("output", ["games.pgn", "./sub/../games.pgn", "symlink.pgn", "hardlink.pgn", "data/a.pgn"])
def test_an_input_was_replaced_in_silence(output, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("sub", "data"):
        Path(name).mkdir()
    for name in ("games.pgn", "data/a.pgn"):
        Path(name).write_text("1. e4 *")
    os.symlink("games.pgn", "symlink.pgn")
    os.link("games.pgn", "hardlink.pgn")
    words = ["--data", "data=1", "games.pgn=0.5", "--run=run", "--positions=64", "--net=16x1", "--out", output]
    with contextlib.suppress(SystemExit):
        assert selfplay.main.main(["pretrain", *words]) == 1
    assert "would replace" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        selfplay.main.main(["report", "run", "--csv", "one", "--json", "./one"])
    check_output(Path("data/new.dit"), [Path("data")])


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_runs_own_files_were_replaced_by_its_report(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in FOLDERS[kind]:
        (tmp_path / FOLDERS[kind][0]).write_text("")
        with pytest.raises(SystemExit):
            selfplay.main.main(["report", str(tmp_path), "--json", str(tmp_path / name)])
        assert f"belongs to {kind}" in capsys.readouterr().err
        check_output(tmp_path / "report.html", [])
    (tmp_path / FOLDERS[kind][0]).unlink()
    (tmp_path / FOLDERS[kind][-1]).write_text("of somebody")
    with pytest.raises(RunError, match="is missing"), folder_lock(tmp_path, kind):
        pass


def test_a_game_was_appended_to_a_network(tmp_path: Path) -> None:
    (tmp_path / "net.dit").write_bytes(b"\x89DIT\r\n\x1a\n" + bytes(99))
    with pytest.raises(argparse.ArgumentTypeError, match="no file of games"):
        _game_file(str(tmp_path / "net.dit"))
