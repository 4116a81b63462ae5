"""Sources of positions to label: games, positions near them, search trees.

`trees` are positions that Aino's own search looks at in searches of games' positions: it asks its
network about positions that games seldom reach. One call from Python grows a tree, in kernels;
another offers some of its nodes. The samples depend only on the space's random numbers and the
evaluator.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.board.layout import ROW_WORDS
from engine.board.makemove import copy_row, make
from engine.evaluation.protocol import InKernelEvaluator
from engine.native.jit import kernel
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import MAX_DEPTH, NO_NODE, ROOT, ROOT_PLY, SWEEP, new_tree
from engine.search.tree.params import SearchParams
from selfplay.data.split import HELD_OUT_SHARE, game_keys, held_out_games, root_limit
from selfplay.games.seats import SPARE_NODES
from selfplay.games.tree_player import KernelVisits, TreePlayer
from selfplay.records.packed import SOURCES
from selfplay.records.positions import PositionSet, empty_set, offsets
from selfplay.teachers.accumulators import advance, start
from selfplay.teachers.sampling import (
    VALUES,
    WANTED,
    SampleSpace,
    begin_walk,
    below,
    offer,
    step_down,
    uniform,
    walk,
)
from selfplay.teachers.static_value import UNITS_PER_CP, static_value


@dataclass(frozen=True)
class Shares:
    """Mixture weights of the sources, relative, in the order of `packed.SOURCES`."""

    games: float = 0.05  # positions of games
    # Positions after the moves of a game's position, and of two plies below it.
    siblings: float = 0.40
    detours: float = 0.15  # siblings after one to three random moves
    trees: float = 0.04  # tree positions of Aino's own searches


# The sources by number.
WHOLE_GAMES = SOURCES.index("games")
DETOURS = SOURCES.index("detours")
TREES = SOURCES.index("trees")
GAME_SHARE = 0.25  # share of a sampled game's positions that are offered
SHORT_WALK = 3  # plies of the longest walk near a game
LONGEST_DETOUR = 3  # random plies
TEMPERATURES_CP = np.array([15.0, 30.0, 60.0])


class Games(NamedTuple):
    """G games with P moves, to sample positions from."""

    starts: np.ndarray  # uint64 [G, 16]
    first: np.ndarray  # int64 [G + 1] first move of each game
    moves: np.ndarray  # uint16 [P]
    keys: np.ndarray  # uint64 [G] hash of start and moves

    def facts(self) -> dict[str, int | str]:
        """Return what tells these games from others, as settings of a folder of labels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.keys).data)
        return {"games": len(self.starts), "games_hash": digest.hexdigest()}


def games_of_sets(sets: list[PositionSet], held_out: bool = False) -> Games:
    """Copy the games of several sets into one, about three bytes per position. held_out: those
    alone that trainings hold out."""
    if held_out:
        sets = [held_out_games(games, root_limit(HELD_OUT_SHARE)) for games in sets]
    sets = [empty_set(), *sets]
    return Games(
        starts=np.concatenate([games.starts for games in sets]),
        first=offsets(np.concatenate([np.diff(games.game_first) for games in sets])),
        moves=np.concatenate([games.moves for games in sets]),
        keys=np.concatenate([game_keys(games) for games in sets]),
    )


# ---- one root of each source ---------------------------------------------------------------------


@kernel()
def sample_source(space, games, source, most, samples):
    """Sample at most `samples` roots from a source other than trees, until there are `most`
    values.
    """
    space.counts[WANTED] = most
    for _ in range(samples):
        if space.counts[VALUES] >= most:
            return
        temperature = TEMPERATURES_CP[below(space.rng, np.int64(3))] * UNITS_PER_CP
        if source == WHOLE_GAMES:
            _sample_game(space, games)
        else:
            _sample_near_game(space, games, source, temperature)


@kernel()
def _sample_near_game(space, games, source, temperature):
    """Walk a few plies from a position of a game, for detours after random moves."""
    random_plies = np.int64(0)
    if source == DETOURS:
        random_plies = 1 + below(space.rng, np.int64(LONGEST_DETOUR))
    root = put_game_position(space, games)
    if begin_walk(space, space.teacher.rows[0].copy(), random_plies):
        plies = 1 + below(space.rng, np.int64(SHORT_WALK))
        walk(space, plies, temperature, source, root)


@kernel()
def _root_of(games, game):
    return np.int64(games.keys[game] >> np.uint64(48))


@kernel()
def put_game_position(space, games):
    """Put a random position on ply 0; games are weighted by length. Returns the root's hash."""
    rows = space.teacher.rows
    number = below(space.rng, np.int64(len(games.moves)))
    game = np.searchsorted(games.first, number, side="right") - 1
    copy_row(games.starts[game], rows[0])
    for position in range(games.first[game], number):
        make(rows[0], games.moves[position], rows[1])
        copy_row(rows[1], rows[0])
    return _root_of(games, game)


@kernel()
def _sample_game(space, games):
    """Offer some of the positions of a game."""
    teacher = space.teacher
    number = below(space.rng, np.int64(len(games.moves)))
    game = np.searchsorted(games.first, number, side="right") - 1
    copy_row(games.starts[game], teacher.rows[0])
    start(teacher.net, teacher.acc, np.int64(0), teacher.rows[0])
    for position in range(games.first[game], games.first[game + 1]):
        if uniform(space.rng) < GAME_SHARE:
            value = static_value(teacher.net, teacher.acc, np.int64(0), teacher.rows[0])
            plies_left = min(games.first[game + 1] - position, np.int64(255))
            offer(
                space, np.int64(0), value, np.int64(WHOLE_GAMES), _root_of(games, game), plies_left
            )
        make(teacher.rows[0], games.moves[position], teacher.rows[1])
        advance(teacher.net, teacher.acc, np.int64(0), teacher.rows[0], teacher.rows[1])
        step_down(teacher)


NODE_SHARE = 0.25  # share of a tree's nodes that are offered; set by hand
# Times half the visits asked for, sampled for each tree, so that trees of several ages are seen.
TREE_SIZES = (1, 2, 4)


class TreeSource:
    """One thread's searches, each of half, once or twice `visits` visits."""

    def __init__(self, evaluator: InKernelEvaluator, visits: int) -> None:
        self._visits = visits
        room = 2 * max(1, visits * max(TREE_SIZES) // 2) + SPARE_NODES
        self._search = Search(SearchParams(needs_planes=False), new_tree(room))
        self._player = TreePlayer(self._search)
        self._kernels = KernelVisits(evaluator)
        # Positions from the root to a node.
        self._rows = np.zeros((MAX_DEPTH + 1, ROW_WORDS), np.uint64)

    def sample(self, space: SampleSpace, games: Games, most: int) -> None:
        """Grow trees and offer their positions until there are `most` values, one tree per missing
        value at most.
        """
        space.counts[WANTED] = most
        for _ in range(most - int(space.counts[VALUES])):
            if space.counts[VALUES] >= most:
                return
            root = put_game_position(space, games)
            size = TREE_SIZES[int(below(space.rng, np.int64(len(TREE_SIZES))))]
            self._search.clear()
            self._player.begin(space.teacher.rows[:1].copy(), max(1, self._visits * size // 2))
            self._kernels.search(self._player)
            offer_nodes(space, self._search.tree, self._rows, root)


@kernel()
def offer_nodes(space, tree, rows, root):
    """Offer some of the positions below a tree's root, each at most once."""
    copy_row(tree.stack[tree.counters[ROOT_PLY]], rows[0])
    tree.counters[SWEEP] += 1
    offer_below(space, tree, rows, ROOT, np.int64(0), root)


@kernel()
def offer_below(space, tree, rows, node, depth, root):
    """Offer some of the positions below a node, whose position is in `rows[depth]`, if no other way
    led there yet.
    """
    teacher = space.teacher
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        child = np.int64(tree.edges[edge].child)
        if child == NO_NODE or tree.seen_in[child] == tree.counters[SWEEP] or depth == MAX_DEPTH:
            continue
        tree.seen_in[child] = tree.counters[SWEEP]
        make(rows[depth], tree.edges[edge].move, rows[depth + 1])
        if uniform(space.rng) < NODE_SHARE:
            row = teacher.rows[0]
            copy_row(rows[depth + 1], row)
            start(teacher.net, teacher.acc, np.int64(0), row)
            value = static_value(teacher.net, teacher.acc, np.int64(0), row)
            offer(space, np.int64(0), value, np.int64(TREES), root, np.int64(0))
        offer_below(space, tree, rows, child, depth + 1, root)
