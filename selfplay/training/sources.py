"""The data of supervised training: which files, in which shares, and what is held out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigError
from selfplay.data.cache import load_or_parse
from selfplay.data.collect import GameRecord
from selfplay.data.game_files import read_engine_games, read_human_games
from selfplay.data.pgn import read_pgn
from selfplay.data.positions import PositionSet, concatenate
from selfplay.data.teacher import read_teacher, teacher_files
from selfplay.training.heldout import split_by_game

__all__ = ["SourceFiles", "TrainingData", "load_training_data"]


@dataclass(frozen=True)
class SourceFiles:
    """Input files by kind, each kind's share of the training batches, and the held-out part.

    Attributes:
        teacher: label files or folders of them.
        engine_games, human_games, pgn: game collections.
        shares: relative weights of the kinds (teacher, engine, human, pgn); kinds without files do not count.
        heldout_file: the name (start of it) of the file whose last games are held out; the first file if none matches.
        heldout_share: share of that file's games.
    """

    teacher: tuple[Path, ...] = ()
    engine_games: tuple[Path, ...] = ()
    human_games: tuple[Path, ...] = ()
    pgn: tuple[Path, ...] = ()
    shares: tuple[float, float, float, float] = (0.6, 0.3, 0.05, 0.05)
    heldout_file: str = "part2"
    heldout_share: float = 0.04


@dataclass(frozen=True)
class TrainingData:
    """Sets to train on with their shares, and the held-out set."""

    sets: tuple[PositionSet, ...]
    shares: tuple[float, ...]
    heldout: PositionSet


Reader = Callable[[Path], Iterator[GameRecord]]


def load_training_data(files: SourceFiles, cache: Path | None, tell: Callable[[str], None]) -> TrainingData:
    """Read all files (from the cache folder where parsed before); `tell` is called with one line a file.

    Raises ConfigError without any file, DataError for broken ones.
    """
    kinds: list[tuple[list[Path], Reader]] = [
        (teacher_files(files.teacher), read_teacher),
        (list(files.engine_games), read_engine_games),
        (list(files.human_games), read_human_games),
        (list(files.pgn), read_pgn),
    ]
    paths = [path for found, _ in kinds for path in found]
    if not paths:
        raise ConfigError("nothing to train on: give at least one of teacher labels, engine games, human games or PGN")
    heldout_path = next((path for path in paths if path.name.startswith(files.heldout_file)), paths[0])
    sets, shares, heldout = [], [], None
    for (found, reader), share in zip(kinds, files.shares, strict=True):
        parts = []
        for path in found:
            part = load_or_parse(path, reader, cache)
            usable = int(part.usable.sum())
            tell(f"{path.name}: {part.n_games:,} games, {part.n_positions:,} positions, {usable:,} usable")
            if path == heldout_path:
                part, heldout = split_by_game(part, files.heldout_share)
                tell(f"  of these the last {heldout.n_games:,} games, {heldout.n_positions:,} positions, are held out")
            parts.append(part)
        if parts:
            sets.append(concatenate(parts))
            shares.append(share)
    assert heldout is not None  # heldout_path is one of the paths
    return TrainingData(tuple(sets), tuple(shares), heldout)
