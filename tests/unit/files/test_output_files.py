"""No command replaces what it reads, nor what Aino keeps in folders of its own."""

import gzip
import importlib
import os
from pathlib import Path

import pytest

import selfplay.main
import uci.main
from engine.cli.command_line import make_parser
from engine.errors import ConfigError, RunError
from engine.files.atomic import write_file
from engine.files.dit_file import DIT_MAGIC
from engine.files.output_files import FOLDERS, check_output, output_file
from selfplay.lock import folder_lock

COMMANDS = {**uci.main.SUBCOMMANDS, **selfplay.main.COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_of_files_to_write_are_compared_with_all_else(name):
    for action in make_parser(
        "aino", name, "", importlib.import_module(COMMANDS[name][0])
    )._actions:
        if action.type in (Path, output_file) and "FILE" in str(action.metavar):
            assert (action.type is output_file) == str(action.help).startswith(
                ("write ", "save ")
            ), action.dest


@pytest.mark.parametrize(
    "output", "games.pgn ~/sub/../games.pgn link.pgn hard.pgn sub/a.pgn v6/a.gz".split()
)
def test_no_input_is_replaced(output, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda text: text.replace("~", str(tmp_path)))
    for name in ("games.pgn", "sub/a.pgn", "v6/a.gz"):  # v6 is one piece of data
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(gzip.compress(b"\6\0\0\0") if name == "v6/a.gz" else b"1. e4 *")
    os.symlink("games.pgn", "link.pgn")
    os.link("games.pgn", "hard.pgn")
    words = "--data sub=1 games.pgn=0.5 v6=1 --run=run --positions=64 --net=16x1 --out".split()
    assert selfplay.main.main(["pretrain", *words, output]) == 1
    assert "give the output another name" in capsys.readouterr().err
    replaces, packs = " would replace", ": .GZ stands for packed files"
    for name, refusal in {
        "./one": replaces,
        "run/report.html": replaces,
        "a.GZ": packs,
    }.items():  # the 2nd by default
        assert selfplay.main.main(["report", "run", "--csv", "one", "--json", name]) == 1
        assert f"{Path(name)}{refusal}" in capsys.readouterr().err


OUTPUTS = {
    "report run --out x": "<!DOCTYPE html>\n<p>mine",
    "report run --csv x": "rating,mine",
    "report run --json x": '[{"mine": 1}]',
    "suite a.epd --json x": '{"mine": 1}',
    "report run1 run2": "<!DOCTYPE html>\n<!-- Made by Aino 1.1.0, which reviewed a game -->",
}


@pytest.mark.parametrize("words", OUTPUTS)
def test_nothing_of_a_person_is_replaced(words, tmp_path, monkeypatch, capsys):
    """What began with the same byte was replaced, and by a comparison any file of its name."""
    monkeypatch.chdir(tmp_path)
    path = Path("x" if words.endswith("x") else "comparison.html")
    path.write_text(OUTPUTS[words])
    assert selfplay.main.main(words.split()) == 1
    assert f"{path} is not an earlier ." in capsys.readouterr().err


def test_no_network_is_replaced_by_a_page(tmp_path, capsys):
    net = tmp_path / "net.dit"
    for data in (DIT_MAGIC, "1. e4 *".encode("utf-16")):  # in which Aino's UTF-8 would be no text
        net.write_bytes(data)
        assert uci.main.main(["play", "--pgn", str(net)]) == 1
        assert f"{net} is not a file of games" in capsys.readouterr().err
    (tmp_path / "page").write_text("<!DOCTYPE html>\n<!-- Made by aino-train report -->")
    assert (
        selfplay.main.main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "page")]) == 1
    )
    assert "an earlier" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_runs_own_files_are_replaced_by_no_output(kind, tmp_path):
    word = FOLDERS[kind][0].decode()
    (mark, *names) = [tmp_path / name for name in FOLDERS[kind][1]]
    names[-1].write_text("of somebody")
    with pytest.raises(RunError, match="is missing"), folder_lock(tmp_path, kind):
        pass
    mark.write_text("of another program")
    check_output(names[-1], [])
    mark.write_text(word)
    with pytest.raises(ConfigError, match="is a folder"):  # known only after the training
        check_output(tmp_path, [])
    for name in (mark, *names, names[0] / "gen-00001.replay"):
        with pytest.raises(ConfigError, match=f"belongs to {kind}"):
            check_output(name, [])
    check_output(tmp_path / "page.html", [tmp_path])


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_file(tmp_path / "pipe", "all")
    assert os.read(reader, 9) == b"all"
    os.close(reader)
