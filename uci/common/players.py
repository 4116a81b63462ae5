"""What the players of a game against Aino are called in its headers."""

import re

PERSON = "You"
_AINO = re.compile(r"Aino \((.*)\)")


def aino_name(level: str) -> str:
    """Return Aino's name at a level: `Aino (elo 1500)`."""
    return f"Aino ({level})"


def level_in(name: str) -> str | None:
    """Return the level that a name of Aino tells, `elo 1500`; None where it is somebody else's."""
    aino = _AINO.fullmatch(name)
    return aino[1] if aino else None
