"""The games of self-play and gate on a Ray cluster: one actor per processor on every node; lost actors are replaced.

Every node needs this package, of the same version, in the environment that its Ray runs in; the versions are compared.
Nodes with different processors or BLAS libraries compute different last bits, so they play the same games only if
they are alike.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, RunError
from engine.files.atomic import atomic_write
from selfplay.run.playing import PlayBackend, PlayTask
from selfplay.run.station import Report, Station, source_hash
from selfplay.run.supervision import SupervisedPlay, WorkerLost

KEPT_NETS = 8  # network copies kept on a node; each run that shares the node uses up to two


@contextlib.contextmanager
def connected(address: str, workers: int, tell: Callable[[str], None]) -> Iterator[PlayBackend]:
    """The PlayBackend of a cluster, connected for the length of the block.

    address: host:port or ray://host:port of a cluster; "auto" for the one that this machine is part of; "local" for a
    new one of this machine alone. workers, tell: as in `RayBackend`. Raises ConfigError where Ray is missing or the
    cluster does not answer.
    """
    ray = _ray()
    try:
        # Workers print to Ray's log files; we report a lost worker here in one line.
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, TimeoutError, RuntimeError, ray.exceptions.RayError) as error:
        raise ConfigError(f"--cluster {address}: no such Ray cluster: {_first_line(error)}") from error
    try:
        yield RayBackend(workers, tell)
    finally:
        ray.shutdown()


class RayBackend(SupervisedPlay):
    """A PlayBackend of `workers` actors; 0 means one per processor that the cluster has when a call begins.

    Needs a connection to the cluster. The networks are sent to every node once per call, and the actors live as long as
    the call. An actor that is lost, with its node or alone, is replaced as soon as a processor is free on any node.
    """

    def _count(self) -> int:
        count = self._workers or int(_ray().cluster_resources().get("CPU", 0))
        if count < 1:
            raise RunError("the Ray cluster has no processors")
        return count

    def _hirer(self, task: PlayTask) -> Callable[[], _ActorWorker]:
        ray = _ray()
        new_actor = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(_StationActor)
        arguments = ray.put(task), ray.put([net.read_bytes() for net in task.nets]), source_hash()
        return lambda: _ActorWorker(ray, new_actor.remote(*arguments))

    def _ready(self, workers: Sequence[_ActorWorker], timeout_s: float) -> Sequence[_ActorWorker]:
        references = {worker.reference: worker for worker in workers}
        done, _ = _ray().wait(list(references), num_returns=1, timeout=timeout_s)
        return [references[reference] for reference in done]


def _ray() -> Any:
    """The library. Raises ConfigError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--cluster needs Ray: pip install 'aino-chess[cluster]'") from error
    return ray


class _ActorWorker:
    """The Worker that is an actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.reference: Any = None  # reference to the answer of the current exchange
        self._ray = ray
        self._actor = actor

    def ask(self, numbers: list[int]) -> None:
        self.reference = self._actor.exchange.remote(numbers)

    def answer(self) -> Report:
        try:
            return self._ray.get(self.reference)
        except self._ray.exceptions.RayError as error:
            raise WorkerLost(_first_line(error)) from error

    def kill(self) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)


def _first_line(error: Exception) -> str:
    """The first part of a Ray error, without the addresses and hints that follow."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


# ---- on the cluster's nodes ---------------------------------------------------------------------------------------


class _StationActor:
    """A Station in a process of the cluster."""

    def __init__(self, task: PlayTask, nets: list[bytes], source: str) -> None:
        self._station = Station(replace(task, nets=tuple(map(_node_copy, nets))), source)

    def exchange(self, numbers: list[int]) -> Report:
        return self._station.exchange(numbers)


def _node_copy(net: bytes) -> Path:
    """A file on this node with the network. Killed actors leave their files behind, so old ones are removed here."""
    folder = Path(tempfile.gettempdir()) / f"aino-nets-{getattr(os, 'getuid', getpass.getuser)()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{hashlib.sha256(net).hexdigest()}.dit"
    with atomic_write(path) as stream:
        stream.write(net)
    with contextlib.suppress(FileNotFoundError):  # another actor of this node may be removing the same ones
        newest_first = sorted(folder.glob("*.dit"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in newest_first[KEPT_NETS:]:
            old.unlink()
    return path
