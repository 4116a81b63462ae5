"""A row of a match's archive, of which tests change what they are about."""

import chess

from selfplay.matches.archive import GameRow

NAMES = "one", "two"
PLAYED = GameRow(0, *NAMES, chess.STARTING_FEN, "", "1-0", "checkmate", "", "", (0.0, 0.0))
