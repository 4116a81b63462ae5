"""Lichess's accuracy of a game, as its code has it: the oracle of Aino's."""

import math
import re

import chess
import numpy as np


def lichess_accuracies(scores_cp, start_cp=15, first=chess.WHITE):
    """White's and Black's accuracy from White's score after each move of a game, in which `first`
    moves first.

    Lichess takes 15 for the score of every start position, Aino for that of the usual one.
    As the code of Lichess has it, line by line:
    https://github.com/lichess-org/lila, modules/analyse/src/main/AccuracyPercent.scala
    """
    scores = np.clip([start_cp, *scores_cp], -1000, 1000)
    win = 50 + 50 * (2 / (1 + np.exp(-0.00368208 * scores)) - 1)
    sides = [[], []]
    for i, weight in enumerate(_volatilities(win)):
        mover = i % 2 if first == chess.WHITE else (i + 1) % 2
        before, after = (win[i], win[i + 1]) if mover == 0 else (win[i + 1], win[i])
        sides[mover].append((_move_accuracy(before, after), weight))
    return [_mean_accuracy(side) if side else None for side in sides]


def _volatilities(win):
    """Return the weight of each move, by how much White's chances change around it."""
    moves = len(win) - 1
    size = min(8, max(2, moves // 10))
    windows = [win[:size]] * (min(size, len(win)) - 2)
    windows += [win[i : i + size] for i in range(len(win) - size + 1)]
    return [min(12.0, max(0.5, float(np.std(window)))) for window in windows]


def _move_accuracy(before, after):
    """Return the accuracy of a move, in percent, from its side's chances before and after it."""
    if after >= before:
        return 100.0
    loss = before - after
    raw = 103.1668100711649 * np.exp(-0.04354415386753951 * loss) - 3.166924740191411 + 1
    return min(100.0, max(0.0, float(raw)))


def _mean_accuracy(side):
    """Return the mean of a side's weighted and harmonic means, from accuracies and weights."""
    weighted = sum(value * weight for value, weight in side) / sum(weight for _, weight in side)
    harmonic = len(side) / sum(1 / max(1.0, value) for value, _ in side)
    return (weighted + harmonic) / 2


def pgn_scores(text):
    """White's scores in centipawns, a mate as 1000, from the evaluations in a PGN."""
    found = re.findall(r"\[%eval (#?)(-?[\d.]+)", text)
    return [
        math.copysign(1000, float(value)) if mate else 100 * float(value) for mate, value in found
    ]
