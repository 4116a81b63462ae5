"""Tasks of a Ray cluster play the games of one thread, also when one of them is lost; skipped where
Ray is missing.
"""

import os
import re
import signal
import sys
from types import SimpleNamespace

import pytest

from engine.errors import ConfigError, RunError
from selfplay.main import main
from selfplay.records.game import encode_record
from selfplay.run import cluster as cluster_module
from selfplay.run.cluster import RayBackend, connected
from tests.new_process import linux, posix
from tests.selfplay.run.crews import NUMBERS, PARENT, games_of, never, processes


def test_missing_ray_is_named_with_its_remedy(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    assert main(f"loop {tmp_path}/run --cluster=auto".split()) == 1
    assert "pip install '.[cluster]' in Aino's folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_ray_prints_nothing_of_a_lost_node(monkeypatch):
    """It printed 46 lines from the end of the node's log; it reads the pattern when it is imported."""
    monkeypatch.delenv("RAY_DEDUP_LOGS_SKIP_REGEX", raising=False)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    cluster_module._ray()
    skipped = os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"]
    assert re.match(skipped, "Raylet is terminated. Last 20 lines of the Raylet logs:\n...")


@pytest.mark.parametrize("kind", ["ConnectionError", "RpcError"])
def test_cluster_that_does_not_answer_is_named(kind, monkeypatch):
    ray = pytest.importorskip("ray")
    error = ConnectionError if kind == "ConnectionError" else ray.exceptions.RpcError

    def init(**settings):
        # Ray itself waits for a minute before it says so
        raise error(f"not at {settings['address']}")

    monkeypatch.setattr(ray, "init", init)
    with (
        pytest.raises(ConfigError, match=r"--cluster somewhere:1: .*not at somewhere:1"),
        connected("somewhere:1", 0, print),
    ):
        pass


@pytest.fixture(scope="module")
def cluster():
    """A Ray of this machine alone with two processors, and what is told about it."""
    ray = pytest.importorskip("ray")
    lines = []
    ray.init(address="local", num_cpus=2, object_store_memory=80 << 20, include_dashboard=False)
    yield RayBackend(0, lines.append), lines
    ray.shutdown()


def test_tasks_play_the_games_of_a_thread(cluster, task, expected):
    play, lines = cluster
    assert games_of(play, task, NUMBERS) == expected
    assert not lines


@linux  # looks for the tasks in /proc
def test_games_of_a_lost_task_are_the_same(cluster, task, expected):
    play, lines = cluster
    finished = {}

    def attack(record):
        if not finished:
            for raylet in processes(PARENT, os.getpid()):
                for victim in processes(PARENT, raylet, b"ray::_play_on_node"):
                    os.kill(victim, signal.SIGKILL)
        finished[record.number] = encode_record(record)

    play(task, NUMBERS, attack, never)
    assert finished == expected
    assert lines
    assert all("a worker was lost" in text for text in lines)
    lines.clear()


def test_a_lost_worker_is_told_in_one_sentence():
    """It took 1,100 characters."""
    error = RuntimeError(
        "\nTask failed because the node it was running on is dead or unavailable. Node IP: 10.0.0.2, "
        "node ID: 5f0c. This can happen if the instance where the node was running failed, "
    )
    sentence = "Task failed because the node it was running on is dead or unavailable"
    assert cluster_module._first_sentence(error) == sentence
    assert len(cluster_module._first_sentence(RuntimeError("x" * 1100))) == 200


class LostRay:
    """A Ray that has lost its cluster: all that is asked of it raises an error, and is noted."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self):
        self.asked = []

    def _fail(self, what, **settings):
        self.asked.append(what)
        raise self.exceptions.RayError("the cluster is gone")

    cancel = shutdown = remote = wait = _fail


@pytest.fixture
def lost_tasks():
    ray = LostRay()
    tasks = object.__new__(cluster_module._Tasks)
    tasks._ray = ray
    tasks._calls = {0: "first", 1: "second"}
    tasks._numbers = SimpleNamespace(shutdown=lambda force: ray._fail("numbers"))
    tasks._messages = SimpleNamespace(shutdown=lambda force: ray._fail("messages"))
    tasks._task = ray
    tasks._arguments = ()
    return tasks


def test_all_tasks_of_a_lost_cluster_are_ended(lost_tasks):
    """The first error left the others, and both queues, as they were."""
    lost_tasks.close()
    assert lost_tasks._ray.asked == ["first", "second", "numbers", "messages"]


@pytest.mark.parametrize("act", [lambda tasks: tasks.start(2), lambda tasks: tasks.playing()])
def test_a_lost_cluster_is_named(act, lost_tasks):
    """Ray's own error came."""
    with pytest.raises(RunError, match="the Ray cluster is lost"):
        act(lost_tasks)


def in_the_open(folder):
    folder.mkdir()
    folder.chmod(0o755)


def elsewhere(folder):
    folder.with_name("other").mkdir(mode=0o700)
    folder.symlink_to(folder.with_name("other"))


@posix  # folders of users as POSIX has them
@pytest.mark.parametrize("occupy", [in_the_open, elsewhere])
def test_a_folder_that_others_may_have_made_is_refused(occupy, tmp_path):
    """Whoever made it first could read and change the networks."""
    occupy(tmp_path / f"aino-nets-{os.getuid()}")
    with pytest.raises(RunError, match="only this user"):
        cluster_module._own_folder(tmp_path)


def test_an_own_folder_is_taken_again(tmp_path):
    assert cluster_module._own_folder(tmp_path) == cluster_module._own_folder(tmp_path)
