"""The teacher's net: Stockfish's own where it is installed, and one with random weights everywhere."""

import subprocess

import pytest

from selfplay.teachers.net_file import STOCKFISH_15, read_stockfish_net
from tests.selfplay.teachers.nets import material_net_bytes, net_bytes


@pytest.fixture(scope="session")
def random_net(tmp_path_factory):
    """A net of the real size with random weights."""
    path = tmp_path_factory.mktemp("net") / "random.nnue"
    path.write_bytes(net_bytes(STOCKFISH_15))
    return read_stockfish_net(path)


@pytest.fixture(scope="session")
def material_net_file(tmp_path_factory):
    """A net that counts material."""
    path = tmp_path_factory.mktemp("net") / "material.nnue"
    path.write_bytes(material_net_bytes())
    return path


@pytest.fixture(scope="session")
def material_net(material_net_file):
    return read_stockfish_net(material_net_file)


@pytest.fixture(scope="session")
def stockfish_net_file(stockfish, tmp_path_factory):
    """Stockfish 15's own net; tests are skipped where another version is installed."""
    path = tmp_path_factory.mktemp("stockfish") / "stockfish.nnue"
    answer = subprocess.run(
        [stockfish], input=f"export_net {path}\nquit\n", capture_output=True, text=True, check=True
    ).stdout
    if not answer.startswith("Stockfish 15"):
        pytest.skip(f"another Stockfish: {answer.splitlines()[0]}")
    return path


@pytest.fixture(scope="session")
def stockfish_net(stockfish_net_file):
    return read_stockfish_net(stockfish_net_file)
