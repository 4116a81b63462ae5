"""A folder of policies: games with the policies of networks as targets, in numbered parts.

settings.json         all that the labels depend on
parts/000000/         a position set, which appears complete; parts are numbered without gaps
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DataError
from selfplay.data.cache import map_set, write_set
from selfplay.records.collect import legal_games
from selfplay.records.label_folder import begin_or_continue
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
        return sum(games.n_usable for games in self._mapped)

    def verify(self) -> None:
        """Replay every game. Raises DataError for a part with a move that is not legal."""
        for part, games in zip(self.parts, self, strict=True):
            legal = legal_games(games, np.ones((games.n_positions, 3), np.bool_))
            if not legal.all():
                raise DataError(f"{part}: {np.count_nonzero(~legal):,} games have illegal moves")

    def __iter__(self) -> Iterator[PositionSet]:
        return iter(self._mapped)


class PolicyWriter(PolicyFolder):
    """Continues a folder, or begins one. Raises RunError for a folder with other settings."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        begin_or_continue(folder, settings)
        super().__init__(folder)

    def publish(self, pieces: list[PositionSet]) -> None:
        """Append one part with the games of all pieces."""
        part = part_of_folder(self.folder, self.n_parts)
        write_set(part, pieces)
        self._mapped.append(map_set(part))


def part_of_folder(folder: Path, number: int) -> Path:
    return folder / PARTS_FOLDER / f"{number:06d}"
