"""What the program must never do: run data as code, run a shell, unpack to named places, ask for
the network.

Most is read from its syntax trees. For the network, engine, analysis and training run in processes
in which asking is an error. Numba's own kernel cache is made of pickles; test_places.py has who may
write there.
"""

import ast
import os
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


FORBIDDEN_MODULES = set("pickle cPickle cloudpickle dill shelve marshal yaml joblib torch".split())
FORBIDDEN_NAMES = set("eval exec compile __import__".split())
FORBIDDEN_ATTRIBUTES = set(
    """os.system os.popen os.execv os.execvp os.spawnv os.chmod os.umask subprocess.getoutput
    subprocess.getstatusoutput tempfile.mktemp""".split()
)
# Byte code that is hashed, never run.
COMPILES, COMPILED = "engine.native.dependencies", "compile()"
# Compiled kernels, from a folder that is the user's alone; Numba keeps them so, too.
KEEPS, KEPT = "engine.native.kernel_files", "import of pickle"
# `generated_kernel` makes a kernel from a table in the source, as `NamedTuple` makes a class. These
# have such tables.
GENERATOR = "engine.native.jit"
GENERATES = "exec()"
GENERATED_FROM = {
    "engine.board.pgn.scan_buffers",
    "engine.nn.operations.correlation",
    "engine.search.tree.arrays",
}
# archives are read in memory, their members name no files
UNPACKERS = {"extractall", "extract", "unpack_archive"}


def faults(tree):
    """What a module does that it must not, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            from_module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            reached = [from_module, *names, *(f"{from_module}.{name}" for name in names)]
            for name in reached:
                if name.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_ATTRIBUTES:
                    yield f"line {node.lineno}: import of {name}"
        elif isinstance(node, ast.Call):
            yield from _faults_of_call(node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in FORBIDDEN_ATTRIBUTES:
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _faults_of_call(call):
    name = ast.unparse(call.func)
    flags = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in FORBIDDEN_NAMES:
        yield f"line {call.lineno}: {name}()"
    if name.rpartition(".")[2] in UNPACKERS and "." in name:
        yield f"line {call.lineno}: {name}()"
    if flags.get("shell", "False") != "False":
        yield f"line {call.lineno}: a shell"
    if flags.get("allow_pickle", "False") != "False" or (
        name in ("np.load", "numpy.load") and "allow_pickle" not in flags
    ):
        yield f"line {call.lineno}: {name} may unpickle"


def test_modules_run_no_data_as_code():
    found = {
        name: [fault.partition(": ")[2] for fault in faults(syntax_tree(name))] for name in MODULES
    }
    allowed = {GENERATOR: [GENERATES], COMPILES: [COMPILED], KEEPS: [KEPT]}
    assert {name: told for name, told in found.items() if told} == allowed


def test_kernels_are_generated_from_tables_in_the_source_alone():
    used = {name: {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(syntax_tree(name))}
            for name in MODULES}  # fmt: skip
    assert {name for name in MODULES if "generated_kernel" in used[name]} == GENERATED_FROM


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from os import system",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "eval('1')",
        "import os\nos.system('ls')",
        "import tarfile\ntarfile.open('x').extractall()",
    ],
)
def test_what_is_forbidden_is_seen(source):
    assert list(faults(ast.parse(source)))
