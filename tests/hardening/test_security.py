"""What the program must never do: run data as code, run a shell, unpack to named places, ask for
the network.

The linter refuses most of it (`S` in pyproject.toml), and texts of sources tell the rest. For the
network, engine, analysis and training run in processes in which asking is an error. test_places.py
has who may write where compiled kernels are kept.
"""

import ast
import os
import re
import subprocess
import sys

import pytest

from tests.hardening import limited
from tests.hardening.test_full_disk import MATERIAL, PGN, START
from tests.new_process import ROOT
from tests.selfplay.run.crews import TINY_FLAGS
from tests.unit.test_imports import MODULES, syntax_tree


@pytest.fixture
def offline(tmp_path):
    folder = tmp_path / "offline"
    folder.mkdir()
    return limited.without_network(folder)


@pytest.mark.parametrize(
    "program",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket().bind(('', 0))",
    ],
)
def test_asking_for_the_network_is_seen(program, offline):
    command = [sys.executable, "-c", f"import socket; {program}"]
    done = subprocess.run(command, env=offline, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the network was asked for" in done.stderr


def test_the_player_asks_for_no_network(offline, tmp_path):
    game, page = tmp_path / "game.pgn", tmp_path / "page.html"
    game.write_text(PGN)
    commands = [
        ["analyse", "startpos"],
        ["annotate", str(game)],
        ["explain", "startpos", "--out", str(page)],
    ]
    commands = [[*words, "--nodes=20", *MATERIAL] for words in commands]
    program = (
        f"from uci.main import main\nfor words in {[*commands, []]}: assert main(words) == 0, words"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **offline}, check=False, capture_output=True,
        input="\n".join(["uci", "isready", *START]), text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "bestmove" in done.stdout


def test_training_asks_for_no_network(offline, tmp_path):
    done = limited.run(
        "selfplay",
        "loop",
        tmp_path / "run",
        "--generations",
        1,
        "--workers=1",
        "--net=16x1",
        *TINY_FLAGS,
        environment=offline,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the network was asked for" not in done.stderr + done.stdout


# What the linter's rules do not see (`S` in pyproject.toml): other modules that run what they read,
# and archives whose members name files.
UNSAFE = re.compile(
    r"^\s*(?:import|from) (?:pickle|cloudpickle|dill|yaml|joblib|torch)\b"
    r"|allow_pickle=True|\.extract(?:all)?\(|unpack_archive\(|__import__\(|os\.(?:chmod|umask)\(",
    re.MULTILINE,
)


def test_no_module_runs_data_as_code_or_unpacks_to_named_places():
    """Compiled kernels are pickles, from a folder that is the user's alone; Numba keeps them so, too."""
    unsafe = {name for name in MODULES if UNSAFE.search(MODULES[name].read_text(encoding="utf-8"))}
    assert unsafe == {"engine.native.kernel_files"}


# `generated_kernel` makes a kernel from a table in the source, as `NamedTuple` makes a class. These
# have such tables.
GENERATED_FROM = {
    "engine.board.pgn.scan_buffers",
    "engine.nn.operations.correlation",
    "engine.search.tree.arrays",
}


def test_kernels_are_generated_from_tables_in_the_source_alone():
    used = {name: {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(syntax_tree(name))}
            for name in MODULES}  # fmt: skip
    assert {name for name in MODULES if "generated_kernel" in used[name]} == GENERATED_FROM
