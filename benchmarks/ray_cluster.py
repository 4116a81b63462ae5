"""Self-play on a Ray cluster of two nodes on this machine, one of which is killed halfway and comes
back.

    python -m benchmarks.ray_cluster --net 16x1 --games 60

Needs Ray (`pip install '.[cluster]'`) and Linux. Three runs of the same games: worker processes,
the cluster, and the cluster while its second node is killed after a sixth of the games and a new
one joins after a quarter. `same` compares the replay bytes with those of the worker processes. The
exit status is 1 if they differ, if a node has not played, or if the loss went unnoticed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import new_parser, report
from selfplay.records.game import SelfPlayRecord, encode_record
from selfplay.run.cluster import connected
from selfplay.run.phase_games import GenerationTask, PlayBackend
from selfplay.run.workers import WorkerPool
from tests.selfplay.run.crews import children, never, tiny_task

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 << 20}
# A node counts as dead after ten checks, where Ray's own setting takes half a minute: the games
# would be over.
HEAD = {
    **NODE,
    "include_dashboard": False,
    "_system_config": {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 1000,
        "health_check_timeout_ms": 2000,
        "health_check_failure_threshold": 10,
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__, net="16x1", games=60, visits=64)
    options = parser.parse_args(arguments)
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as folder:
        task = tiny_task(Path(folder), options.net, options.visits, longest=120)
        show = Show(task, options.games)
        show.play("2 processes", WorkerPool(2, show.told.append))
        cluster = Cluster(initialize_head=True, head_node_args=HEAD)
        try:
            second = cluster.add_node(**NODE)
            with connected(cluster.address, 0, show.told.append) as play:
                show.play("2 nodes", play, [cluster.head_node, second])
                show.play_with_loss("a node killed, a new one joins", play, cluster, second)
        finally:
            cluster.shutdown()
    report(show.rows, options.json)
    return 0 if show.passed else 1


class Show:
    """Plays the same games in several ways and keeps a row of each."""

    def __init__(self, task: GenerationTask, games: int) -> None:
        self.rows: list[dict[str, object]] = []
        self.told: list[str] = []
        self.passed = True
        self._task = task
        self._games = games
        self._expected: dict[int, bytes] = {}

    def play(
        self,
        name: str,
        play: PlayBackend,
        nodes: Sequence[Any] = (),
        watch: Callable[[int], None] = lambda finished: None,
    ) -> None:
        """One row; `watch` gets the number of games after each one. All nodes in the list must play
        at some time.
        """
        games: dict[int, bytes] = {}
        played: set[int] = set()

        def finish(record: SelfPlayRecord) -> None:
            games[record.number] = encode_record(record)
            played.update(number for number, node in enumerate(nodes) if tasks_of(node))
            watch(len(games))

        begun = time.monotonic()
        play(self._task, range(self._games), finish, never)
        seconds = time.monotonic() - begun
        print(f"{name}: {seconds:.1f} s", *self.told, sep="\n  ", file=sys.stderr)
        self._expected = self._expected or games
        same = games == self._expected
        self.passed = self.passed and same and len(played) == len(nodes)
        row = {
            "played on": name,
            "games": len(games),
            "seconds": seconds,
            "nodes that played": len(played),
        }
        self.rows.append(row | {"workers lost": len(self.told), "same": same})

    def play_with_loss(self, name: str, play: PlayBackend, cluster: Any, victim: Any) -> None:
        """Measure a run in which a node is killed, and another one joins."""
        nodes = [cluster.head_node, victim]

        def watch(finished: int) -> None:
            if finished >= self._games // 6 and victim in cluster.worker_nodes:
                cluster.remove_node(victim, allow_graceful=False)
            elif finished >= self._games // 4 and len(nodes) == 2:
                nodes.append(cluster.add_node(**NODE))

        self.told.clear()
        self.play(name, play, nodes, watch)
        self.passed = self.passed and bool(self.told)


def tasks_of(node: Any) -> list[int]:
    """Return processes of the self-play tasks on a node, none once it is dead."""
    return [
        task
        for process in node.all_processes.get("raylet", [])
        for task in children(process.process.pid, b"ray::_play_on_node")
    ]


if __name__ == "__main__":
    sys.exit(main())
