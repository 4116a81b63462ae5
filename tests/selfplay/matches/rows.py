"""A row of a match's archive and scripted players, of which tests change what they are about."""

import sys

import chess

from selfplay.matches.archive import GameRow
from selfplay.matches.contestant import Contestant
from tests.selfplay import scripted_engine

NAMES = "one", "two"
PLAYED = GameRow(0, *NAMES, chess.STARTING_FEN, "", "1-0", "checkmate", "", "", (0.0, 0.0))
ENGINE = (
    f'cmd="{sys.executable} {scripted_engine.__file__}"'  # scripted, as words of a command line
)


def scripted(name, *behaviour):
    return Contestant(name, (sys.executable, scripted_engine.__file__, *map(str, behaviour)))
