"""Labels of policies: networks tell for each position of many games how likely each move is.

A network may stand for players of a rating, which its labels then carry. The positions come from
given games, and from games that the networks play themselves by drawing moves from their policies.
Piece k of the games depends only on settings, seed and k, so the labels are the same for any number
of threads and interruptions.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.board.layout import MAX_MOVES, SIDE
from engine.errors import ConfigError
from engine.evaluation import make_evaluator
from engine.evaluation.protocol import Evaluator, input_format_of, new_leaf_batch
from engine.native.aligned_arrays import buffers
from engine.native.pool import ThreadPool
from engine.native.uptime import uptime_s
from engine.network.lc0.schema import is_lc0
from engine.network.lc0.writer import SUFFIXES
from engine.options.settings import check_settings, setting
from selfplay.data.policy_folder import PolicyWriter
from selfplay.interrupt import Report, Stop, Stopped
from selfplay.records.order import RowOrder
from selfplay.records.positions import (
    UNKNOWN_MOVES_LEFT,
    UNKNOWN_RATING,
    UNKNOWN_SCORE,
    PositionSet,
    offsets,
)
from selfplay.teachers.labelling import file_hash
from selfplay.teachers.policy_kernels import (
    OWN_GAME,
    GameSlots,
    PolicyTargets,
    advance_given,
    begin_slots,
    gather_positions,
    take_policies,
)
from selfplay.teachers.sample_sources import Games

POLICIES_VERSION = 3  # raise this when the same settings give different labels
PIECE_GAMES = 256  # games that a thread moves together
PIECES_A_PART = 4  # pieces published together
LONGEST_LABELLED = 240  # positions of a game that are labelled; few games of people are longer
SAME_SHARE = 0.5  # of the games in which one network sits on both sides; set by hand
FIRST_ROOM = 1 << 19  # targets of a piece; the room doubles where it does not suffice
HIGHEST_RATING = 4000


class PolicyTeacher(NamedTuple):
    """A file with a network, and the Elo that it stands for."""

    path: Path
    rating: int = UNKNOWN_RATING

    @classmethod
    def parse(cls, text: str) -> Self:
        """FILE or FILE=RATING; a file may have `=` in its name. Raises ConfigError for a rating
        that is none.
        """
        name, equals, rating = text.rpartition("=")
        if not equals or Path(text).exists():
            return cls(Path(text))
        if not rating.isdecimal() or not 0 < int(rating) <= HIGHEST_RATING:
            raise ConfigError(
                f"{text}: expected FILE=RATING with an Elo up to {HIGHEST_RATING}, got {rating!r}"
            )
        return cls(Path(name), int(rating))


def is_network(path: Path) -> bool:
    """Whether a file is one of Lc0's or Aino's networks, which have policies."""
    return is_lc0(path) or path.suffix == ".dit" or path.name.endswith(SUFFIXES)


@dataclass(frozen=True)
class PolicyPlan:
    """Settings that, with the networks and the games, determine the labels. Raises ConfigError."""

    # fmt: off
    seed: int = setting(1, "seed all samples with this", least=0)
    own_share: float = setting(0.7,
        "let the teachers play this share of the games themselves, by drawing from their policies (1 without --data)",
        least=0, most=1)
    label_share: float = setting(0.3, "label this share of the positions of given games", above=0, most=1)
    # fmt: on

    def __post_init__(self) -> None:
        check_settings(self)


class PolicyRun:
    """Labels in a folder; `run` continues where the folder ends. Raises RunError if its settings
    differ, ConfigError if ratings are given to some networks alone, NetFileError for a bad file.
    """

    def __init__(
        self, folder: Path, teachers: Sequence[PolicyTeacher], games: Games, plan: PolicyPlan
    ) -> None:
        rated = [teacher for teacher in teachers if teacher.rating != UNKNOWN_RATING]
        if 0 < len(rated) < len(teachers):
            raise ConfigError("--teacher: give a rating to every network, or to none")
        self._ratings = np.array([teacher.rating for teacher in teachers])
        self._nets = [make_evaluator("network", teacher.path) for teacher in teachers]
        self._games, self._plan = games, plan
        self.written = PolicyWriter(folder, _settings(teachers, games, plan))

    def run(self, count: int, threads: int, report: Report, stop: Stop) -> bool:
        """Publish parts until the folder has `count` labels (True) or `stop()` (False)."""
        begun = uptime_s()
        at_first = self.written.n_labels

        def labelled(number: int) -> PositionSet:
            return play_piece(self._nets, self._ratings, self._games, self._plan, number, stop)

        with ThreadPool(threads, "label") as pool:
            while self.written.n_labels < count:
                first = self.written.n_parts * PIECES_A_PART
                try:
                    pieces = pool.map(labelled, range(first, first + PIECES_A_PART))
                except Stopped:
                    return False
                self.written.publish(_first_labels(pieces, count - self.written.n_labels))
                done = self.written.n_labels
                speed = (done - at_first) / (uptime_s() - begun)
                report(min(1.0, done / count), f"{done:,} positions, {speed:,.0f}/s")
        return True

    @property
    def told(self) -> str:
        """What the folder has, in words."""
        return f"{self.written.n_labels:,} positions with a policy"

    def close(self) -> None:
        for net in self._nets:
            net.close()


def _first_labels(pieces: list[PositionSet], count: int) -> list[PositionSet]:
    """Return the games up to the one that has the last of `count` labels, without the labels that
    follow.
    """
    labelled = []
    for piece in pieces:
        usable = piece.usable & (np.cumsum(piece.usable) <= count)
        count -= piece.n_usable
        if count < 0:
            last = np.flatnonzero(usable)[-1:]
            games = np.searchsorted(piece.game_first, last, "right").sum()
            piece = replace(piece, usable=usable).select(np.arange(piece.n_games) < games)
        labelled.append(piece)
    return labelled


def _settings(teachers: Sequence[PolicyTeacher], games: Games, plan: PolicyPlan) -> dict[str, Any]:
    """Everything that the labels depend on."""
    return {
        "version": POLICIES_VERSION,
        "policy_teachers": [[file_hash(teacher.path), teacher.rating] for teacher in teachers],
        **games.facts(),
        **asdict(plan),
    }


# ---- one piece -----------------------------------------------------------------------------------


def play_piece(
    nets: Sequence[Evaluator],
    ratings: np.ndarray,
    games: Games,
    plan: PolicyPlan,
    number: int,
    stop: Stop,
) -> PositionSet:
    """Play and label the games of piece `number`. Two networks at most have a seat in them. Raises
    Stopped.
    """
    rng = np.random.default_rng([plan.seed, number])
    pair = rng.integers(len(nets), size=2)
    if rng.random() < SAME_SHARE:
        pair[1] = pair[0]
    slots = _new_slots(games, plan, pair, number, rng)
    leaves = new_leaf_batch(PIECE_GAMES)
    slot_of = np.zeros(PIECE_GAMES, np.int64)
    targets = buffers(PolicyTargets, T=FIRST_ROOM)
    while not slots.is_over.all():
        for seat in np.unique(pair):
            advance_given(slots, games, plan.label_share)
            net = nets[seat]
            count = gather_positions(slots, seat, np.int64(input_format_of(net)), leaves, slot_of)
            if stop():
                raise Stopped
            net.evaluate(leaves, int(count))
            targets = _with_room(targets, int(count) * MAX_MOVES)
            take_policies(slots, games, leaves, slot_of, count, targets)
    return _labelled_games(slots, targets, ratings)


def _new_slots(
    games: Games, plan: PolicyPlan, pair: np.ndarray, number: int, rng: np.random.Generator
) -> GameSlots:
    """Return the games of a piece at their starts; the two networks take turns with White."""
    n_own = PIECE_GAMES
    if len(games.starts):
        n_own = round(PIECE_GAMES * plan.own_share)
    n_given = PIECE_GAMES - n_own
    order = RowOrder(len(games.starts), plan.seed)
    numbers = np.zeros(0, np.int64)
    if n_given:
        numbers = order.sample(number * n_given, n_given)
    seats = np.where(np.arange(PIECE_GAMES)[:, None] % 2, pair[::-1], pair)
    chance = rng.integers(2**64, size=(PIECE_GAMES, 1), dtype=np.uint64)
    sources = np.concatenate([np.full(n_own, OWN_GAME), numbers])
    fixed = {"source": sources, "seats": seats.astype(np.int64), "rng": chance}
    slots = buffers(GameSlots, fixed, D=PIECE_GAMES, L=LONGEST_LABELLED)
    slots.stack[:, 0] = row_from_board(chess.Board())
    begin_slots(slots, games)
    return slots


def _with_room(targets: PolicyTargets, count: int) -> PolicyTargets:
    """Return the targets, with room for `more`."""
    room = len(targets.moves)
    used = int(targets.used[0])
    if used + count <= room:
        return targets
    larger = buffers(PolicyTargets, {"used": targets.used}, T=2 * room + count)
    larger.moves[:used] = targets.moves[:used]
    larger.probs[:used] = targets.probs[:used]
    return larger


def _labelled_games(slots: GameSlots, targets: PolicyTargets, ratings: np.ndarray) -> PositionSet:
    """Return the games of the slots that have a move."""
    is_played = np.arange(LONGEST_LABELLED) < slots.ply[:, None]
    counts, first = slots.n_targets[is_played], slots.first[is_played]
    target_first = offsets(counts)
    places = np.arange(target_first[-1]) + np.repeat(first - target_first[:-1], counts)
    side = slots.stack[:, 0, SIDE].astype(np.int64)[:, None] + np.arange(LONGEST_LABELLED)
    seats = np.take_along_axis(slots.seats, side % 2, axis=1)[is_played]
    labelled = counts > 0
    everything = PositionSet(
        starts=slots.stack[:, 0].copy(),
        game_first=offsets(slots.ply),
        moves=slots.moves[is_played],
        target_first=target_first,
        target_moves=targets.moves[places],
        target_probs=targets.probs[places],
        target_scores=np.full(len(places), UNKNOWN_SCORE, np.int16),
        wdl=np.where(labelled[:, None], slots.wdl[is_played], 0).astype(np.float16),
        moves_left=np.full(len(counts), UNKNOWN_MOVES_LEFT, np.uint16),
        usable=labelled,
        rating=np.where(labelled, ratings[seats], UNKNOWN_RATING).astype(np.uint16),
    )
    return everything.select(slots.ply > 0)
