"""One's own names in games, which the side is found by: kept in the folder of games, as a list."""

import json
import os
from pathlib import Path

from engine.files.atomic import replace, write_file
from engine.files.text import decode_text, printable
from uci.common.players import PERSON
from uci.game.game_file import owning
from uci.language import _

NAMES = "names.json"


class OwnNames:
    """Names without regard to capitals; `you` is always one.

    Attributes:
        told: one's own names as they were told.
        is_told: whether the question for one's name was answered.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAMES
        self.read()

    @property
    def all(self) -> list[str]:
        """One's own names without capitals."""
        return [name.casefold() for name in (PERSON, *self.told)]

    def read(self) -> list[str]:
        """Read what other programs may have changed; return what is wrong with the file."""
        self.told = list[str]()
        problems = []
        try:
            names = json.loads(decode_text(self._path.read_bytes()))
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError(_("expected a list of names"))
            self.told = list(filter(None, map(str.strip, names)))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{printable(self._path)}: {error}")
        self._is_damaged = bool(problems)
        self.is_told = not self._is_damaged and self._path.exists()
        return problems

    def change(self, name: str, mine: bool) -> None:
        """Note that a name is one's own, or is not; "" is nobody's. Raises OSError.

        A file that cannot be read is kept beside the new one.
        """
        with owning(self._path.parent):
            self.read()
            if self._is_damaged:
                replace(self._path, self._path.with_name(f"{NAMES}.{os.urandom(4).hex()}"))
            name = name.strip()
            names = [own for own in self.told if own.casefold() != name.casefold()]
            if mine and name:
                names.append(name)
            write_file(self._path, json.dumps(names))
            self.read()
