"""Someone's own `engine.py` or `weights.py` where Python looks before it finds Aino's packages."""

import os
import subprocess
import sys

import pytest

from tests.new_process import ROOT, output_of

SHIPPED = "from engine.network.weights import default_net_path as path; print(path().parent.name, path().suffix)"


def started_in(folder, *words):
    """Python as a user starts it: the working folder comes before Aino's on the path."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("engine.py", ("-c", "import uci")),
        ("engine/__init__.py", ("-c", "import selfplay.data")),
        ("engine.py", ("-m", "uci", "--version")),
        ("engine.py", ("-m", "selfplay", "-h")),
    ],
)
def test_an_engine_of_the_users_own_is_not_run(tmp_path, name, words):
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("print('ran')\n__version__ = '3'\n")
    done = started_in(tmp_path, *words)
    assert done.returncode != 0
    assert done.stdout == ""
    assert f"{own} hides Aino's package 'engine': rename it" in done.stderr.splitlines()[-1]


def test_an_engine_that_is_loaded_already_is_named(tmp_path):
    (tmp_path / "engine.py").touch()
    done = started_in(tmp_path, "-c", "import engine, uci")
    assert f"{tmp_path / 'engine.py'} hides Aino's package" in done.stderr


@pytest.mark.parametrize("name", ["weights.py", "weights/__init__.py"])
def test_weights_of_the_users_own_do_not_hide_the_shipped_networks(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert started_in(tmp_path, "-c", SHIPPED).stdout.split() == ["weights", ".dit"]
    assert output_of(f"import weights; {SHIPPED}", PYTHONPATH=str(tmp_path)).split() == [
        "weights",
        ".dit",
    ]


def test_a_folder_without_code_hides_nothing(tmp_path):
    for name in ("engine", "weights", "selfplay"):
        (tmp_path / name).mkdir()
    assert started_in(tmp_path, "-c", "import uci, selfplay").stderr == ""
