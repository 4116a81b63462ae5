"""The games of self-play and gate on a Ray cluster: one task per processor on every node; lost
tasks are replaced.

Every node needs this package, of the same version, in the environment that its Ray runs in; the
versions are compared. Nodes with different processors or BLAS libraries compute different last
bits, so they play the same games only if they are alike.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import AinoError, ConfigError, RunError
from engine.files.atomic import write_file
from selfplay.interrupt import Tell
from selfplay.run.phase_games import PlayBackend, PlayTask
from selfplay.run.sharing import SharedPlay, WorkerLost, WorkerMessage, play_share, source_hash

LONGEST_FATE = 200  # characters of why a worker was lost; Ray tells 1,100
KEPT_NETS = 8  # network copies kept on a node; each run that shares the node uses up to two


@contextlib.contextmanager
def connected(address: str, workers: int, tell: Tell) -> Iterator[PlayBackend]:
    """Yield the PlayBackend of a cluster, connected for the length of the block.

    address: host:port or ray://host:port of a cluster; "auto" for the one that this machine is part
    of; "local" for a new one of this machine alone. workers, tell: as in `RayBackend`. Raises
    ConfigError where Ray is missing or the cluster does not answer.
    """
    ray = _ray()
    try:
        # Workers print to Ray's log files; we report a lost worker here in one line.
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (
        ConnectionError,
        ValueError,
        TimeoutError,
        RuntimeError,
        ray.exceptions.RayError,
    ) as error:
        raise ConfigError(
            f"--cluster {address}: no such Ray cluster: {_first_sentence(error)}"
        ) from error
    try:
        yield RayBackend(workers, tell)
    finally:
        ray.shutdown()


class RayBackend(SharedPlay):
    """A PlayBackend of `workers` tasks; 0 means one per processor that the cluster has when a call
    begins.

    Needs a connection to the cluster. The networks are sent to every node once per pool. A task
    begins as soon as a processor is free on any node.
    """

    def _count(self, task: PlayTask) -> int:
        count = self._workers or int(_ray().cluster_resources().get("CPU", 0))
        if count < 1:
            raise RunError("the Ray cluster has no processors")
        return count

    def _pool(self, task: PlayTask, numbers: Sequence[int], count: int) -> _Tasks:
        with _telling_of_loss(_ray()):
            return _Tasks(task, numbers)


class _Tasks:
    """The tasks, and queues of numbers and messages, which live in processes of their own."""

    def __init__(self, task: PlayTask, numbers: Sequence[int]) -> None:
        self._ray = _ray()
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=False
        )
        options = {"num_cpus": 0, "scheduling_strategy": here}  # other nodes may be lost
        self._numbers, self._messages = (Queue(actor_options=options) for _ in range(2))
        self._numbers.put_nowait_batch(list(numbers))
        self._count = len(numbers)
        nets = self._ray.put(list(map(Path.read_bytes, task.nets)))
        self._arguments = self._ray.put(task), nets, source_hash(), self._numbers, self._messages
        self._task = self._ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(
            _play_on_node
        )
        self._calls = dict[int, Any]()

    def start(self, worker: int) -> None:
        with _telling_of_loss(self._ray):
            self._calls[worker] = self._task.remote(worker, *self._arguments)

    def receive(self, timeout_s: float) -> WorkerMessage | None:
        from ray.util.queue import Empty

        try:
            return self._messages.get(timeout=timeout_s)
        except Empty:
            return None
        except self._ray.exceptions.RayError as error:
            raise WorkerLost(_first_sentence(error)) from error

    def playing(self) -> list[int]:
        calls = [*self._calls.values()]
        with _telling_of_loss(self._ray):
            done, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        for call in done:
            try:
                self._ray.get(call)
            except self._ray.exceptions.RayError as error:
                if isinstance(cause := getattr(error, "cause", None), AinoError):
                    raise cause from None
                raise WorkerLost(_first_sentence(error)) from error
        return [worker for worker, call in self._calls.items() if call not in done]

    def taken(self) -> int:
        try:
            return self._count - self._numbers.qsize()
        except self._ray.exceptions.RayError:  # the queue is lost, too
            return 0

    def close(self) -> None:
        """End all workers. What is lost already is passed over, and the others are ended."""
        for call in self._calls.values():
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(call, force=True)
        for queue in (self._numbers, self._messages):
            with contextlib.suppress(self._ray.exceptions.RayError):
                queue.shutdown(force=True)


def _ray() -> Any:
    """Return the library. Raises ConfigError where it is not installed."""
    # Ray prints the end of a lost node's log, 40 lines, whatever `log_to_driver` says; we tell of a
    # lost worker in one line. It reads this variable as it is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "--cluster needs Ray: pip install '.[cluster]' in Aino's folder"
        ) from error
    return ray


@contextlib.contextmanager
def _telling_of_loss(ray: Any) -> Iterator[None]:
    """Raise RunError where Ray fails in the block."""
    try:
        yield
    except ray.exceptions.RayError as error:
        raise RunError(
            f"the Ray cluster is lost, or this machine's node of it: {_first_sentence(error)}"
        ) from error


def _first_sentence(error: Exception) -> str:
    """Return the begin of a Ray error, without the addresses and hints that follow; these may stand
    on its first line.
    """
    line = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
    return line.partition(". ")[0].rstrip(".")[:LONGEST_FATE]


# ---- on the cluster's nodes ----------------------------------------------------------------------


def _play_on_node(
    worker: int, task: PlayTask, nets: list[bytes], source: str, numbers: Any, messages: Any
) -> None:
    """`play_share` in a process of the cluster."""
    from ray.util.queue import Empty

    def take() -> Iterator[int]:
        with contextlib.suppress(Empty):
            while True:
                yield numbers.get(block=False)

    local = replace(task, nets=tuple(map(_node_copy, nets)))
    play_share(local, take(), lambda record: messages.put((worker, record)), source)


def _node_copy(net: bytes) -> Path:
    """Return a file on this node with the network. Removes old ones, which killed tasks have left
    behind. Raises RunError where the folder for them is somebody else's.
    """
    folder = _own_folder(Path(tempfile.gettempdir()))
    path = folder / f"{hashlib.sha256(net).hexdigest()}.dit"
    write_file(path, net)
    # Another task of this node may be removing the same ones.
    with contextlib.suppress(FileNotFoundError):
        newest_first = sorted(
            folder.glob("*.dit"), key=lambda file: file.stat().st_mtime, reverse=True
        )
        for old in newest_first[KEPT_NETS:]:
            old.unlink()
    return path


def _own_folder(parent: Path) -> Path:
    """Return our folder for networks in one that all users of a machine share. Raises RunError.

    Others can foretell its name, and may have made it, or a link, to read or change our networks.
    """
    folder = parent / f"aino-nets-{getattr(os, 'getuid', getpass.getuser)()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix":  # on Windows each user has a folder for temporary files
        status = folder.lstat()
        is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if not is_ours or status.st_mode & 0o077:
            raise RunError(f"{folder}: expected a folder that only this user may open; remove it")
    return folder
