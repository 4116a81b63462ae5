"""The data of supervised training: files, mixture weights, held-out part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.errors import ConfigError, DataError
from selfplay.data.cache import Reader, load_or_parse
from selfplay.data.game_files import read_engine_games, read_human_games
from selfplay.data.label_sampler import LabelRows, held_out
from selfplay.data.pgn import PgnReader
from selfplay.data.split import (
    HELD_OUT_SHARE,
    Split,
    fingerprint,
    held_out_games,
    limit_for,
    root_limit,
    unseen,
    without_held_out,
    without_known_games,
)
from selfplay.data.teacher import read_teacher, teacher_files
from selfplay.data.v6_games import read_v6
from selfplay.records.calibration import STATIC
from selfplay.records.label_folder import LabelFolder, fields_of, keys_of_rows
from selfplay.records.positions import PositionSet

LEAST_GAMES = 2  # one to train on, one to hold out
MOST_LOOKED_AT, MOST_SCORED = 1 << 20, 1 << 13  # rows of a label folder, to find those that are scored


@dataclass(frozen=True)
class SourceFiles:
    """Input files by kind, each kind's mixture weight in training batches, and the held-out part.

    Attributes:
        teacher: label files or folders of them.
        engine_games, human_games, pgn: game collections.
        v6: Lc0 training chunks, archives or folders of them.
        searched: label files, or folders of them, of tree positions (`aino-train label --tree`).
        labels: label folders of `aino-train teach`.
        pgn_min_elo: lowest Elo of either player in the games of PGN collections.
        shares: mixture weights of the kinds (teacher, engine, human, pgn, v6, searched, labels), relative; kinds
            without files do not count.
        scored_share: part of the labels' mixture weight that goes to positions with scored moves.
        heldout_share: share of the games, by a hash of their moves, that are held out in every file and label folder;
            HELD_OUT_SHARE at least.
    """

    teacher: tuple[Path, ...] = ()
    engine_games: tuple[Path, ...] = ()
    human_games: tuple[Path, ...] = ()
    pgn: tuple[Path, ...] = ()
    v6: tuple[Path, ...] = ()
    searched: tuple[Path, ...] = ()
    labels: tuple[Path, ...] = ()
    pgn_min_elo: int = 0
    shares: tuple[float, ...] = (0.6, 0.3, 0.05, 0.05, 0.3, 0.6, 0.6)
    scored_share: float = 0.25
    heldout_share: float = HELD_OUT_SHARE


@dataclass(frozen=True)
class TrainingData:
    """Training sets with their mixture weights, and the held-out set.

    Without games, the held-out set is some rows of the first label folder. `fingerprints` tell by path what the files
    hold; of a label folder, which may grow, what its labels were made from.
    """

    sets: tuple[PositionSet | LabelRows, ...]
    shares: tuple[float, ...]
    heldout: PositionSet | LabelRows
    fingerprints: Mapping[str, str] = field(default_factory=dict)


def load_training_data(
    files: SourceFiles,
    cache: Path | None,
    tell: Callable[[str], None],
    watch: Callable[[str, float, int], None] = lambda name, share, games: None,
) -> TrainingData:
    """Read all files (from the cache folder if parsed before), calling `tell` with one line per file.

    `watch` gets a file's name, the share of it that is read (0 where that is not known) and its games, now and then.
    Every file is its own set, so that none is copied into memory. Files of a kind split its weight by positions. Each
    position of equal games counts once. Raises ConfigError without files, DataError for bad ones.
    """
    kinds: list[tuple[list[Path], Reader]] = [
        (teacher_files(files.teacher), read_teacher),
        (list(files.engine_games), read_engine_games),
        (list(files.human_games), read_human_games),
        (list(files.pgn), PgnReader(files.pgn_min_elo)),
        (list(files.v6), read_v6),
        (teacher_files(files.searched), read_teacher),
    ]

    def load(path: Path, reader: Reader) -> PositionSet:
        loaded = load_or_parse(path, reader, cache, lambda share, games: watch(path.name, share, games))
        if not loaded.n_games:
            raise DataError(f"{path}: no games found; at least {LEAST_GAMES} are needed")
        return loaded

    loaded = [[(path, load(path, reader)) for path in found] for found, reader in kinds]
    if not any(loaded) and not files.labels:
        raise ConfigError("nothing to train on: give at least one file of labels, games or training chunks")
    fingerprints = {str(path): fingerprint(part) for parts in loaded for path, part in parts}
    for path in files.labels:
        settings = json.dumps(LabelFolder(path).settings, sort_keys=True)
        fingerprints[str(path)] = hashlib.sha256(settings.encode()).hexdigest()[:16]
    if not any(loaded):
        return replace(_labels_alone(files, tell), fingerprints=fingerprints)
    heldout_path, heldout_set = next(part for parts in loaded for part in parts)
    if heldout_set.n_games < LEAST_GAMES:
        raise DataError(f"{heldout_path}: 1 game found; at least {LEAST_GAMES} are needed")
    limit, known = limit_for([heldout_set], files.heldout_share), dict[int, int]()
    sets: list[PositionSet | LabelRows] = []
    games: list[PositionSet] = []
    shares: list[float] = []
    for parts, share in zip(loaded, files.shares, strict=False):
        kind = []
        for path, part in parts:
            used, repeated = without_known_games(without_held_out(part, limit), known)
            kind.append(used)
            tell(f"{path.name}: {part.n_games:,} games ({repeated:,} duplicates skipped), {_usable(used):,} positions")
        total = max(1, sum(map(_usable, kind)))
        games += [one for one in kind if _usable(one)]
        shares += [share * _usable(one) / total for one in kind if _usable(one)]
    once, _ = without_known_games(heldout_set, {})
    heldout, split = unseen(held_out_games(once, limit), games, limit)
    tell(f"{heldout_path.name}: {heldout.n_games:,} games are held out; {_usable(heldout):,} positions nowhere else")
    sets += games
    for rows, share in _label_sets(files, split, tell):
        sets.append(rows)
        shares.append(share)
    return TrainingData(tuple(sets), tuple(shares), heldout, fingerprints)


def _labels_alone(files: SourceFiles, tell: Callable[[str], None]) -> TrainingData:
    """Label folders, of whose first the first rows of held-out roots are scored."""
    folder = LabelFolder(files.labels[0])
    rows = np.ascontiguousarray(folder.values[:MOST_LOOKED_AT])
    if not len(rows):
        raise ConfigError(f"{folder.folder}: no labels to hold out")
    split = Split(max(root_limit(files.heldout_share), int(fields_of(rows)["root"].min()) + 1))
    heldout = rows[held_out(rows, split)][:MOST_SCORED]
    split = replace(split, keys=np.unique(keys_of_rows(heldout, folder.folder)))
    sets, shares = zip(*_label_sets(files, split, tell), strict=True)
    return TrainingData(sets, shares, LabelRows.of_folder(folder, heldout))


def _label_sets(files: SourceFiles, split: Split, tell: Callable[[str], None]) -> Iterator[tuple[LabelRows, float]]:
    """Label folders' rows with their parts of the labels' mixture weight; values and scored moves are separate sets.

    Raises DataError for a path that is no label folder.
    """
    folders = [LabelFolder(path) for path in files.labels]
    depths = {folder.folder.name: folder.settings.get("depth", STATIC) for folder in folders}
    if len(set(depths.values())) > 1:
        named = ", ".join(f"{name} {depth}" for name, depth in depths.items())
        tell(f"the labels have different depths, each with a calibration of its own: {named}")
    for name, part in (("values", 1.0 - files.scored_share), ("scored", files.scored_share)):
        total = sum(getattr(folder.published, name) for folder in folders)
        for folder in folders:
            rows = LabelRows.of_folder(folder, getattr(folder, name), split)
            tell(f"{folder.folder.name}: {rows.n_positions:,} {name} labels")
            if rows.n_positions:
                yield rows, files.shares[-1] * part * rows.n_positions / total


def _usable(positions: PositionSet) -> int:
    return int(np.count_nonzero(positions.usable))
