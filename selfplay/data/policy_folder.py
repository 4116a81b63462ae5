"""A folder of policies: games with the policies of networks as targets, in numbered parts.

settings.json         all that the labels depend on
parts/000000/         a position set, which appears complete; parts are numbered without gaps
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.errors import ConfigError, DataError, RunError
from engine.files.atomic import write_file
from engine.files.settings_file import read_noted
from selfplay.data.cache import map_set, write_set
from selfplay.records.collect import verify_games
from selfplay.records.label_folder import FOLDER_SETTINGS
from selfplay.records.positions import PositionSet

PARTS_FOLDER = "parts"


class PolicyFolder:
    """The published parts of a folder. Raises DataError for a damaged part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mapped: list[PositionSet] = []
        while (part := part_of_folder(folder, len(self._mapped))).is_dir():
            self._mapped.append(map_set(part))

    @property
    def n_parts(self) -> int:
        return len(self._mapped)

    @property
    def parts(self) -> list[Path]:
        return [part_of_folder(self.folder, number) for number in range(self.n_parts)]

    @property
    def n_labels(self) -> int:
        """How many positions have a policy."""
        return sum(one.n_usable for one in self._mapped)

    def verify(self) -> None:
        """Replay every game. Raises DataError for a part with a move that is not legal."""
        for part, one in zip(self.parts, self, strict=True):
            legal = np.zeros(one.n_games, np.bool_)
            any_result = np.ones((one.n_positions, 3), np.bool_)
            games = (one.starts, one.game_first, one.moves, one.target_first, one.target_moves)
            rows, moves = np.zeros((2, ROW_WORDS), np.uint64), np.zeros(MAX_MOVES, np.uint16)
            verify_games(*games, any_result, legal, rows, moves)
            if not legal.all():
                raise DataError(f"{part}: {np.count_nonzero(~legal):,} games have illegal moves")

    def __iter__(self) -> Iterator[PositionSet]:
        return iter(self._mapped)


class PolicyWriter(PolicyFolder):
    """Continues a folder, or begins one. Raises RunError for a folder with other settings."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        path = folder / FOLDER_SETTINGS
        if path.is_file():
            _check_settings(folder, _read_settings(path), settings)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(path, json.dumps(settings, indent=2))
        super().__init__(folder)

    def publish(self, pieces: list[PositionSet]) -> None:
        """Append one part with the games of all pieces."""
        part = part_of_folder(self.folder, self.n_parts)
        write_set(part, pieces)
        self._mapped.append(map_set(part))


def part_of_folder(folder: Path, number: int) -> Path:
    return folder / PARTS_FOLDER / f"{number:06d}"


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        return read_noted(path)
    except ConfigError as error:
        raise DataError(f"not the settings of a folder of policies: {error}") from error


def _check_settings(folder: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    names = stored.keys() | wanted.keys()
    different = sorted(name for name in names if stored.get(name) != wanted.get(name))
    if different:
        raise RunError(
            f"{folder} holds labels with other {', '.join(different)} (see {FOLDER_SETTINGS})"
        )
