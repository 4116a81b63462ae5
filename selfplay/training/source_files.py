"""The data of supervised training: files, mixture weights, held-out part."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import ConfigError, DataError
from engine.files.atomic import real_path
from engine.options.settings import check_settings, setting
from selfplay.data import split
from selfplay.data.cache import load_or_parse, map_set
from selfplay.data.kinds import CHUNKS, FOLDER, PGN, POLICIES, data_files, reader_of
from selfplay.data.label_rows import LabelRows, held_out
from selfplay.data.split import HELD_OUT_SHARE, Split
from selfplay.interrupt import Tell
from selfplay.records.label_folder import LabelFolder, fields_of, keys_of_rows
from selfplay.records.positions import PositionSet, concatenate
from selfplay.training.mixture import TrainingSet

LEAST_GAMES = 2  # one to train on, one to hold out
MOST_LOOKED_AT = 1 << 20  # rows of a label folder, to find those that are scored
MOST_SCORED = 1 << 13


class Source(NamedTuple):
    """Data to train on, and how often to sample from it."""

    path: Path  # as in `data_files`
    # In the mixture, shared by its files in proportion to their positions.
    weight: float | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """FILE or FILE=WEIGHT; a file may have `=` in its name. Raises ConfigError for a weight
        that is no number.
        """
        name, equals, weight = text.rpartition("=")
        if text and (Path(text).exists() or not equals):
            return cls(Path(text))
        with contextlib.suppress(ValueError):
            if name and 0.0 <= float(weight) < math.inf:
                return cls(Path(name), float(weight))
        if glob.has_magic(name) or Path(name).exists():
            raise ConfigError(
                f"{text}: expected FILE=WEIGHT with a number such as 0.5, got {weight!r}"
            )
        return cls(Path(text))


@dataclass(frozen=True)
class SourceFiles:
    """What to train on."""

    # Files, folders and patterns; without any weight, positions count alike.
    data: tuple[Source, ...] = ()
    # fmt: off
    pgn_min_elo: int = setting(0, "skip PGN games in which a player is rated below this Elo", metavar="ELO", least=0)
    scored_share: float = setting(0.25,
        "sample this share of label folders from scored moves, which alone teach the policy", least=0, most=1)
    heldout_share: float = setting(HELD_OUT_SHARE,
        "hold out this share of all games, by a hash of their moves, 1/64 at least; score on those of the first --data",
        least=0, below=1)
    # Games to score on, in place of held-out games of the first source; never trained on.
    heldout: Path | None = None
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self)

    def found(self) -> list[list[tuple[Path, str]]]:
        """`data_files` of each source. ConfigError without data, for weights of some alone, and for
        repetitions.
        """
        if not self.data:
            raise ConfigError(
                "nothing to train on: give --data FILE, of games, training chunks or labels"
            )
        without = [source.path for source in self.data if source.weight is None]
        if 0 < len(without) < len(self.data):
            raise ConfigError(
                f"{without[0]}: give a weight to every file, as in {without[0]}=0.5, or to none"
            )
        if not (without or any(source.weight for source in self.data)):
            raise ConfigError("nothing to train on: every file has the weight 0")
        sources = [data_files([source.path], PGN, CHUNKS, FOLDER, POLICIES) for source in self.data]
        seen = set[Path]()
        for path, _ in chain(*sources):
            if (place := real_path(path)) in seen:
                raise ConfigError(
                    f"{path} is given twice; name it once, with a larger weight if it is to count more"
                )
            seen.add(place)
        return sources


@dataclass(frozen=True)
class TrainingData:
    """Training sets with their mixture weights, and the held-out set.

    Without games, the held-out set is some rows of the first label folder. `fingerprints` tell by
    path what the files hold; of a label folder, which may grow, what its labels were made from.
    `names` are the files' names by kind.
    """

    sets: tuple[TrainingSet, ...]
    shares: tuple[float, ...]
    heldout: TrainingSet
    heldout_name: str = ""  # only scores on the same positions can be compared
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass
class _File:
    """A file with its kind, its source and its content: a PositionSet or a LabelFolder."""

    path: Path
    kind: str
    source: int  # the number of its source
    content: Any

    @property
    def positions(self) -> int:
        if isinstance(self.content, LabelFolder):
            return self.content.published.values + self.content.published.scored
        return self.content.n_usable

    @property
    def fingerprint(self) -> str:
        """What it holds; of a label folder, which may grow, what its labels were made from."""
        if isinstance(self.content, PositionSet):
            return split.fingerprint(self.content)
        return hashlib.sha256(
            json.dumps(self.content.settings, sort_keys=True).encode()
        ).hexdigest()[:16]


def read_heldout(path: Path, cache: Path | None) -> PositionSet:
    """All games of a file, folder or pattern, to score on. Raises DataError as `data_files`, and
    for label folders.
    """
    games = [
        load_or_parse(file, reader_of(kind), cache)
        for file, kind in data_files([path], PGN, CHUNKS)
    ]
    return split.without_known_games(concatenate(games), {})[0]


def load_training_data(
    files: SourceFiles,
    cache: Path | None,
    tell: Tell,
    watch: Callable[[str, float, int], None] = lambda name, share, games: None,
) -> TrainingData:
    """Read all files (from the cache folder if parsed before), calling `tell` with one line per
    file.

    `watch` gets a file's name, the share of it that is read (0 where that is not known) and its
    games, now and then. Every file is its own set, so that none is copied into memory. Each
    position of equal games counts once. Raises ConfigError as `SourceFiles.found`, DataError for
    bad files.
    """

    sources = _read_files(files, cache, watch)
    # Of the files as they are: what is held out leaves them below.
    fingerprints = {str(file.path): file.fingerprint for file in sources}
    _check_all_teach(files.data, sources)
    folders = [file for file in sources if file.kind == FOLDER]
    games = [file for file in sources if file.kind != FOLDER]
    heldout_games = None if files.heldout is None else read_heldout(files.heldout, cache)
    heldout: TrainingSet
    if games:
        heldout, left_out = _hold_out_games(games, files, heldout_games, tell)
        name = split.fingerprint(heldout)
    else:
        heldout, left_out, name = _hold_out_labels(folders[0].content, files)
    if heldout_games is not None:
        heldout = heldout_games
        left_out = replace(
            left_out, keys=np.unique(split.position_keys(heldout_games)[heldout_games.usable])
        )
        name = split.fingerprint(heldout_games)
        tell(f"{files.heldout}: {heldout_games.n_games:,} games are held out")
    pairs = _weighted_sets(games + folders, files, left_out, tell)
    if not pairs:
        raise ConfigError("nothing to train on: held-out games have every position of the files")
    sets, shares = zip(*pairs, strict=True)
    return TrainingData(sets, shares, heldout, name, fingerprints, _names_by_kind(sources))


def _read_files(
    files: SourceFiles, cache: Path | None, watch: Callable[[str, float, int], None]
) -> list[_File]:
    """Read all files of all sources; arguments as `load_training_data`."""

    def load(path: Path, kind: str) -> PositionSet | LabelFolder:
        if kind == FOLDER:
            return LabelFolder(path)
        if kind == POLICIES:
            return map_set(path)
        reader = reader_of(kind, files.pgn_min_elo)
        return load_or_parse(
            path, reader, cache, lambda share, games: watch(path.name, share, games)
        )

    sources = []
    for number, source in enumerate(files.found()):
        sources += [_File(*file, number, load(*file)) for file in source]
    return sources


def _names_by_kind(sources: list[_File]) -> dict[str, list[str]]:
    names = dict[str, list[str]]()
    for file in sources:
        names.setdefault(file.kind, []).append(file.path.name)
    return names


def _weighted_sets(
    sources: list[_File], files: SourceFiles, left_out: Split, tell: Tell
) -> list[tuple[TrainingSet, float]]:
    """Return what is trained on, games first, with the share of each in a batch."""
    used = [file for file in sources if file.positions]
    pairs: list[tuple[TrainingSet, float]] = []
    folders: list[tuple[LabelFolder, float]] = []
    for file, weight in zip(used, _weights(used, files.data), strict=True):
        if file.kind == FOLDER:
            folders.append((file.content, weight))
        else:
            pairs.append((file.content, weight))
    return pairs + _label_sets(folders, files.scored_share, left_out, tell)


def _check_all_teach(sources: Sequence[Source], read: Sequence[_File]) -> None:
    teaching = {file.source for file in read if file.kind == FOLDER or file.content.n_games}
    for number, source in enumerate(sources):
        if number not in teaching:
            raise DataError(
                f"{source.path}: no games found to learn from; at least {LEAST_GAMES} are needed"
            )


def _weights(used: list[_File], sources: Sequence[Source]) -> list[float]:
    """Return the mixture weight of every file: its part of its source's weight by positions, or
    just its positions.
    """
    totals = Counter[int]()
    for file in used:
        totals[file.source] += file.positions
    weights = []
    for file in used:
        of_position = 1.0
        if (weight := sources[file.source].weight) is not None:
            of_position = weight / totals[file.source]
        weights.append(of_position * file.positions)
    return weights


def _each_once(games: PositionSet) -> PositionSet:
    """Return the games without those that repeat an earlier one."""
    _, first = np.unique(split.game_keys(games), return_index=True)
    return games.select(np.isin(np.arange(games.n_games), first))


def _hold_out_games(
    games: list[_File],
    files: SourceFiles,
    heldout_games: PositionSet | None,
    tell: Tell,
) -> tuple[PositionSet, Split]:
    """(held-out games of the first source, what labels leave out). Leaves in every file only what
    is trained on.

    heldout_games: games that are held out besides.
    """
    first = [file.content for file in games if file.source == games[0].source]
    name = files.data[games[0].source].path
    total = sum(part.n_games for part in first)
    if total < LEAST_GAMES:
        raise DataError(f"{name}: {total} game found; at least {LEAST_GAMES} are needed")
    limit = split.limit_for(first, files.heldout_share)
    known_keys = dict[int, int]()
    if heldout_games is not None:
        known_keys = dict.fromkeys(split.game_keys(heldout_games).tolist(), -1)
    held = _each_once(concatenate([split.held_out_games(part, limit) for part in first]))
    for file in games:
        line = f"{file.path.name}: {file.kind}, {file.content.n_games:,} games"
        if files.data[file.source].weight == 0:
            file.content = replace(file.content, usable=np.zeros_like(file.content.usable))
            tell(f"{line}, none to train on (weight 0)")
        else:
            rest = split.without_held_out(file.content, limit)
            file.content, repeated = split.without_known_games(rest, known_keys)
            tell(f"{line} ({repeated:,} duplicates skipped), {file.positions:,} positions")
    heldout, left_out = split.unseen(held, [file.content for file in games], limit)
    usable = int(np.count_nonzero(heldout.usable))
    if heldout_games is None:
        tell(
            f"{name.name}: {heldout.n_games:,} games are held out; {usable:,} positions nowhere else"
        )
    return heldout, left_out


def _hold_out_labels(folder: LabelFolder, files: SourceFiles) -> tuple[LabelRows, Split, str]:
    """Return (the first rows of held-out roots, what training skips, their name) of a label folder,
    without games.
    """
    rows = np.ascontiguousarray(folder.values[:MOST_LOOKED_AT])
    if not len(rows):
        raise ConfigError(f"{folder.folder}: no labels to hold out")
    left_out = Split(
        max(split.root_limit(files.heldout_share), int(fields_of(rows)["root"].min()) + 1)
    )
    heldout = rows[held_out(rows, left_out)][:MOST_SCORED]
    keys = np.unique(keys_of_rows(heldout, folder.folder))
    name = hashlib.sha256(np.ascontiguousarray(heldout).tobytes()).hexdigest()[:16]
    return LabelRows(str(folder.folder), heldout), replace(left_out, keys=keys), name


def _label_sets(
    folders: list[tuple[LabelFolder, float]],
    scored_share: float,
    left_out: Split,
    tell: Tell,
) -> list[tuple[LabelRows, float]]:
    """Label folders' rows with their mixture weights; values and scored moves are separate sets."""
    label_sets: list[tuple[LabelRows, float]] = []
    for name, part in (("values", 1.0 - scored_share), ("scored", scored_share)):
        total = sum(weight for folder, weight in folders if getattr(folder.published, name)) or 1.0
        for folder, weight in folders:
            rows = LabelRows(str(folder.folder), getattr(folder, name), left_out)
            tell(f"{folder.folder.name}: {rows.n_usable:,} {name} labels")
            if rows.n_usable:
                label_sets.append((rows, part * weight / total))
    scale = sum(weight for _, weight in folders) / (sum(share for _, share in label_sets) or 1.0)
    return [(rows, share * scale) for rows, share in label_sets]
