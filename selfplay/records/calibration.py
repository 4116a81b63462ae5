"""Converts a teacher's centipawns to win, draw and loss on the scale of long searches.

A shallow score predicts less than a deep one, by an amount that depends on the kind of position. Each calibration here
is fitted to the values of 30,000-node searches of such positions, as `wdl_from_score` converts them. All training
sources therefore share one scale.
"""

from __future__ import annotations

from selfplay.records.packed import SOURCES
from selfplay.records.targets import Calibration

# Fitted by least cross-entropy to 30,000-node searches: 7,199 positions of trees, 2,312 of games and 400 of each other
# source. Centre and scale are common where the sources agree within error. The shift says how much more the side
# to move gets out of a position than its value shows, which is most where its opponent has just moved at random.
_CALM_SHIFTS = {
    "games": 2.0, "siblings": 21.0, "detours": 17.0, "trees": 9.0, "openings": 16.0, "book": 11.0, "chess960": 20.0,
    "endings": 1.0, "quiet_ends": 23.0,
}  # fmt: skip
_MOVE_SHIFTS = {
    "games": 3.0, "siblings": 12.0, "detours": 12.0, "trees": 13.0, "openings": 13.0, "book": 7.0, "chess960": 7.0,
    "endings": 0.0, "quiet_ends": 9.0,
}  # fmt: skip
# By source: static values of calm positions, quiescence values of the others, best scores of moves one ply deep.
CALM_VALUES = {source: Calibration(shift, 85.0, 60.0) for source, shift in _CALM_SHIFTS.items()}
UNSETTLED_VALUES = {source: Calibration(12.0, 80.0, 55.0) for source in SOURCES} | {
    "games": Calibration(-6.0, 100.0, 75.0)
}
MOVE_SCORES = {source: Calibration(shift, 85.0, 55.0) for source, shift in _MOVE_SHIFTS.items()} | {
    "games": Calibration(3.0, 95.0, 63.0)
}
