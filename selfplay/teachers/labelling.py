"""Labels in bulk: several threads sample numbered chunks, which are joined in order without
duplicates.

Chunk k depends only on settings, seed and k, and duplicates are removed in chunk order. The file is
therefore the same for any number of threads and interruptions.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.board.layout import KEY
from engine.errors import ConfigError, RunError
from engine.evaluation.protocol import InKernelEvaluator
from engine.native.aligned_arrays import aligned_zeros
from engine.native.jit import kernel
from engine.native.pool import ThreadPool
from engine.native.uptime import uptime_s
from engine.options.settings import check_settings, check_weights, setting
from selfplay.interrupt import Report, Stop
from selfplay.records.label_folder import (
    Chunk,
    LabelFolder,
    LabelWriter,
    Published,
    keys_of_rows,
)
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.sample_sources import (
    TREES,
    Games,
    Shares,
    TreeSource,
    sample_source,
)
from selfplay.teachers.sampling import VALUES, new_sample_space, score_noted

LABELS_VERSION = 6  # raise this when the same settings give different labels
ROOTS_A_ROW = 8  # most roots per row, so that a source whose positions are never kept ends
CHUNKS_A_THREAD = 4  # chunks published together, per thread
MOST_KNOWN = 1 << 16  # rows in a row without a new one, after which the sources count as exhausted
REBUILD_ROWS = 1 << 20
SCORED_SALT = np.uint64(0x5C0BED)  # keeps rows with scored moves apart from those without
BLOCK_WORDS = 8  # a cache line of the filter
MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class LabelPlan:
    """Settings that, with the net and the games, determine the labels. Raises ConfigError."""

    # fmt: off
    seed: int = setting(1, "seed all samples with this", least=0)
    calm_cp: float = setting(40.0,
        "keep positions whose captures change the value by at most this many centipawns", least=0)
    unsettled_share: float = setting(0.05,
        "keep this share of the other positions, with quiescence's value", least=0, most=1)
    scored_share: float = setting(0.05,
        "score all moves of this many positions for each one with a value", least=0, most=1)
    tree_visits: int = setting(600,
        "search trees to sample from for this many visits; each takes half, once or twice as many", least=1)
    chunk_rows: int = setting(65_536, "sample this many positions at a time, of which some 30% get a label", least=1)
    filter_mib: int = setting(512,
        "remember labelled positions in this many MiB, a power of two; 512 is enough for 200 million")
    shares: Shares = field(default_factory=Shares)
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self)
        if self.filter_mib < 1 or self.filter_mib & (self.filter_mib - 1):
            raise ConfigError(f"filter_mib: expected a power of two, got {self.filter_mib}")
        check_weights("shares of the sources", asdict(self.shares).values())


class RawChunk(NamedTuple):
    """A chunk with the keys of its rows, before duplicates are removed."""

    values: np.ndarray  # uint64 [N, 4]
    keys: np.ndarray  # uint64 [N]
    scored: np.ndarray  # uint64 [M, 8]
    scored_keys: np.ndarray  # uint64 [M]


def file_hash(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class TreeNet:
    """The evaluator that grows trees, and what names it among the inputs of the labels."""

    evaluator: InKernelEvaluator
    name: str


def _source_weights(plan: LabelPlan, games: Games, tree_net: TreeNet | None) -> np.ndarray:
    """Return the weight of each source, 0 for trees without a network. Raises ConfigError where
    there is nothing to sample from.
    """
    weights = np.array(list(asdict(plan.shares).values()))
    if tree_net is None:
        weights[TREES] = 0.0
    if not len(games.moves):
        raise ConfigError("there are no games to sample from")
    if not weights.sum():
        raise ConfigError("the only source with a share is trees, which need a network")
    return weights


def sample_chunk(
    net: StockfishNet, games: Games, plan: LabelPlan, number: int, tree_net: TreeNet | None = None
) -> RawChunk:
    """Sample and label chunk `number`. Without `tree_net`, trees give their share up."""
    seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1, np.uint64)[0])
    limits = (plan.calm_cp, plan.unsettled_share, plan.scored_share)
    space = new_sample_space(net, seed, plan.chunk_rows, limits)
    weights = _source_weights(plan, games, tree_net)
    ends = np.rint(np.cumsum(weights) / weights.sum() * plan.chunk_rows).astype(np.int64)
    for source in np.flatnonzero(weights):
        most = np.int64(ends[source])
        if source == TREES and tree_net is not None:
            TreeSource(tree_net.evaluator, plan.tree_visits).sample(space, games, int(most))
            continue
        samples = np.int64(ROOTS_A_ROW * plan.chunk_rows)
        sample_source(space, games, np.int64(source), most, samples)
    n_scored = score_noted(space)
    n_values = space.counts[VALUES]
    return RawChunk(
        space.values[:n_values],
        space.keys[:n_values],
        space.scored[:n_scored],
        space.noted[:n_scored, KEY],
    )


class LabelRun:
    """Labels in a folder; `run` continues where the folder ends. Raises RunError if its settings
    differ.
    """

    def __init__(
        self,
        folder: Path,
        net_file: Path,
        net: StockfishNet,
        games: Games,
        plan: LabelPlan,
        tree_net: TreeNet | None = None,
    ) -> None:
        self.plan = plan
        self._net = net
        self._games = games
        self._tree_net = tree_net
        self._writer = LabelWriter(folder, _settings(net_file, games, plan, tree_net))
        # The filter of `add_new`.
        self._seen = aligned_zeros(plan.filter_mib << 17, dtype=np.uint64)
        if self._writer.published.chunks:
            labels = LabelFolder(folder)
            for rows, salt in ((labels.values, np.uint64(0)), (labels.scored, SCORED_SALT)):
                for first in range(0, len(rows), REBUILD_ROWS):
                    part = rows[first : first + REBUILD_ROWS]
                    self._new_rows(part, keys_of_rows(part, folder, first), salt)

    @property
    def published(self) -> Published:
        return self._writer.published

    @property
    def told(self) -> str:
        """What the folder has, in words."""
        done = self.published
        return f"{done.values:,} positions with a value, {done.scored:,} with scored moves"

    def run(self, count: int, threads: int, report: Report, stop: Stop) -> bool:
        """Publish chunks until the folder has `count` values (True) or `stop()` (False).

        A larger count goes on with the next chunk. Raises RunError where the sources have no more positions.
        """
        begun = uptime_s()
        at_first = self.published.values
        repeated = 0
        sample = partial(sample_chunk, self._net, self._games, self.plan, tree_net=self._tree_net)
        with ThreadPool(threads, "label") as pool:
            while self.published.values < count:
                if stop():
                    return False
                first = self.published.chunks
                missing = -(-(count - self.published.values) // self.plan.chunk_rows)
                numbers = range(
                    first, first + min(CHUNKS_A_THREAD * threads, max(threads, missing))
                )
                sampled = pool.map(sample, numbers)
                before = self.published.values
                self._publish(sampled, count)
                done = self.published.values
                if done > before:
                    repeated = 0
                else:
                    repeated += sum(len(chunk.values) for chunk in sampled)
                if repeated >= MOST_KNOWN:
                    raise RunError(
                        f"the sources with a share have no more than these {done:,} positions: add games"
                    )
                speed = (done - at_first) / (uptime_s() - begun)
                report(min(1.0, done / count), f"{done:,} positions, {speed:,.0f}/s")
        return True

    def _publish(self, sampled: list[RawChunk], count: int) -> None:
        """Publish chunks up to the one that completes `count`, of which only as many rows as are
        missing, from all parts of it: its sources keep their shares, and the file does not depend
        on the threads.
        """
        chunks = []
        total = self.published.values
        for chunk in sampled:
            if total >= count:
                break
            if not len(chunk.values):
                raise ConfigError(
                    "a chunk without a single position: the sources with a share give none"
                )
            values = self._new_rows(chunk.values, chunk.keys, np.uint64(0))
            scored = self._new_rows(chunk.scored, chunk.scored_keys, SCORED_SALT)
            missing = count - total
            if len(values) > missing:
                scored = _spread(scored, round(len(scored) * missing / len(values)))
                values = _spread(values, missing)
            chunks.append(Chunk(values, scored))
            total += len(values)
        self._writer.publish(chunks)

    def _new_rows(self, rows: np.ndarray, keys: np.ndarray, salt: np.uint64) -> np.ndarray:
        new = np.zeros(len(rows), np.bool_)
        add_new(self._seen, keys, salt, new)
        return rows[new]


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Return `count` of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]


def _settings(
    net_file: Path, games: Games, plan: LabelPlan, tree_net: TreeNet | None
) -> dict[str, Any]:
    """Everything that the labels depend on, in the folder's form."""
    return {
        "version": LABELS_VERSION,
        "teacher": file_hash(net_file),
        "tree_net": tree_net.name if tree_net is not None else "",
        **games.facts(),
        **asdict(plan),
    }


# ---- the filter of sampled positions -------------------------------------------------------------


@kernel()
def add_new(seen, keys, salt, new):
    """Add keys [n] to a blocked Bloom filter of a power of two of words; sets new bool[n] for keys
    it did not know.

    Each sets four bits of one cache line, so that a look-up waits for memory once (Putze, Sanders &
    Singler 2007). With 21 bits per key, about one new key in a thousand also counts as known, and
    its position gets no label.
    """
    blocks = np.uint64(len(seen) // BLOCK_WORDS - 1)
    for i in range(len(keys)):
        mixed = (keys[i] ^ salt) * MIX
        mixed ^= mixed >> np.uint64(32)
        at = np.int64((keys[i] ^ salt) & blocks) * BLOCK_WORDS
        new[i] = False
        for part in range(4):
            place = np.int64(mixed >> np.uint64(9 * part)) & 511
            mask = np.uint64(1) << np.uint64(place & 63)
            if not seen[at + (place >> 6)] & mask:
                new[i] = True
                seen[at + (place >> 6)] |= mask
