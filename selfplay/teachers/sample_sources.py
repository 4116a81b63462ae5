"""Sources of positions to label: games and positions near them, openings, endings, ends of
exchanges, search trees.

`trees` are positions that Aino's own search looks at in searches of games' positions: it asks its
network about positions that games seldom reach. One call from Python grows a tree, in kernels;
another offers some of its nodes. The samples depend only on the space's random numbers and the
evaluator.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import chess
import numpy as np

from engine.board import layout
from engine.board.attacks import bit, in_check, is_attacked, king_square
from engine.board.convert import row_from_board
from engine.board.layout import ROW_WORDS
from engine.board.makemove import copy_row, make
from engine.board.movegen import generate
from engine.board.zobrist import compute_key
from engine.evaluation.protocol import InKernelEvaluator
from engine.native.jit import kernel
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import MAX_DEPTH, NO_NODE, ROOT, ROOT_PLY, SWEEP, new_tree
from engine.search.tree.params import SearchParams
from engine.tactics.quiescence import forcing_moves
from engine.tactics.see import see
from selfplay.data.split import HELD_OUT_SHARE, game_keys, held_out_games, root_limit
from selfplay.games.seats import SPARE_NODES
from selfplay.games.tree_player import KernelVisits, TreePlayer
from selfplay.matches.opening_book import OpeningRows, load_openings
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
    openings: float = 0.10  # walks from openings of four to ten random plies
    book: float = 0.08  # walks from the opening set
    chess960: float = 0.06  # walks from Chess960 starts
    endings: float = 0.05  # walks from endings of three to seven pieces
    quiet_ends: float = 0.07  # ends of the exchanges in positions near games


# The sources by number.
WHOLE_GAMES = SOURCES.index("games")
SIBLINGS = SOURCES.index("siblings")
DETOURS = SOURCES.index("detours")
TREES = SOURCES.index("trees")
OPENINGS = SOURCES.index("openings")
BOOK = SOURCES.index("book")
CHESS960 = SOURCES.index("chess960")
ENDINGS = SOURCES.index("endings")
QUIET_ENDS = SOURCES.index("quiet_ends")
FROM_GAMES = (WHOLE_GAMES, SIBLINGS, DETOURS, TREES, QUIET_ENDS)  # sources that need games
GAME_SHARE = 0.25  # share of a sampled game's positions that are offered
LONG_WALK = 60  # plies of a walk as long as a game
SHORT_WALK = 3  # plies of the longest walk near a game
ENDING_WALK = 8  # plies
LONGEST_DETOUR = 3  # random plies
LONGEST_EXCHANGE = 12  # plies
MOST_ENDING_PIECES = 5  # most pieces besides the kings
# Five pawns for two rooks.
KINDS_OF_ENDINGS = np.array([0, 0, 0, 0, 0, 1, 2, 3, 3, 4], np.int64)
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


class Roots(NamedTuple):
    """Start positions and games for all walks."""

    games: Games
    start: np.ndarray  # uint64 [1, 16]
    book: np.ndarray  # uint64 [., 16]
    chess960: np.ndarray  # uint64 [960, 16]


def games_of_sets(sets: list[PositionSet], held_out: bool = False) -> Games:
    """Copy the games of several sets into one, about three bytes per position. held_out: those
    alone that trainings hold out."""
    sets = [
        empty_set(),
        *(held_out_games(one, root_limit(HELD_OUT_SHARE)) if held_out else one for one in sets),
    ]
    return Games(
        starts=np.concatenate([one.starts for one in sets]),
        first=offsets(np.concatenate([np.diff(one.game_first) for one in sets])),
        moves=np.concatenate([one.moves for one in sets]),
        keys=np.concatenate([game_keys(one) for one in sets]),
    )


def new_roots(games: Games) -> Roots:
    """Return roots from the games, the start position, the opening set and the Chess960 starts."""
    chess960 = [row_from_board(chess.Board.from_chess960_pos(number)) for number in range(960)]
    book = OpeningRows(load_openings())
    return Roots(
        games, row_from_board(chess.Board())[None].copy(), np.stack(book), np.stack(chess960)
    )


# ---- one root of each source ---------------------------------------------------------------------


@kernel()
def sample_source(space, roots, source, most, samples):
    """Sample at most `samples` roots from a source other than trees, until there are `most`
    values.
    """
    space.counts[WANTED] = most
    for _ in range(samples):
        if space.counts[VALUES] >= most:
            return
        temperature = TEMPERATURES_CP[below(space.rng, np.int64(3))] * UNITS_PER_CP
        if source == WHOLE_GAMES:
            _sample_game(space, roots.games)
        elif source in (SIBLINGS, DETOURS):
            _sample_near_game(space, roots.games, source, temperature)
        elif source == QUIET_ENDS:
            _sample_quiet_end(space, roots.games)
        elif source == ENDINGS:
            _sample_ending(space, temperature)
        else:
            _sample_opening(space, roots, source, temperature)


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
def _sample_ending(space, temperature):
    """Walk from a random position with few pieces; the walk is its own root."""
    root = np.int64(space.rng[0] >> np.uint64(48))
    if _put_ending(space) and begin_walk(space, space.teacher.rows[0].copy(), np.int64(0)):
        walk(space, np.int64(ENDING_WALK), temperature, np.int64(ENDINGS), root)


@kernel()
def _sample_opening(space, roots, source, temperature):
    """Walk from an opening for the length of a game; the walk is its own root."""
    rng = space.rng
    root = np.int64(rng[0] >> np.uint64(48))
    starts = roots.start
    least = np.int64(4)
    more = np.int64(7)
    if source == BOOK:
        starts = roots.book
        least = np.int64(0)
        more = np.int64(3)
    elif source == CHESS960:
        starts = roots.chess960
        least = np.int64(2)
        more = np.int64(6)
    if begin_walk(space, starts[below(rng, np.int64(len(starts)))], least + below(rng, more)):
        walk(space, np.int64(LONG_WALK), temperature, source, root)


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


@kernel()
def _sample_quiet_end(space, games):
    """Play a random move from a game position, then its exchanges, and offer the result."""
    teacher = space.teacher
    root = put_game_position(space, games)
    if not begin_walk(space, teacher.rows[0].copy(), 1 + below(space.rng, np.int64(2))):
        return
    length = np.int64(0)
    while length < LONGEST_EXCHANGE:
        row = teacher.rows[0]
        move = _best_exchange(space, row)
        if move < 0:
            break
        make(row, move, teacher.rows[1])
        copy_row(teacher.rows[1], row)
        length += 1
    if length > 0:
        start(teacher.net, teacher.acc, np.int64(0), teacher.rows[0])
        value = static_value(teacher.net, teacher.acc, np.int64(0), teacher.rows[0])
        offer(space, np.int64(0), value, np.int64(QUIET_ENDS), root, np.int64(0))


@kernel()
def _best_exchange(space, row):
    """Return the capture that wins most (at least an even exchange), or a random evasion in check;
    -1 if none.
    """
    if in_check(row):
        count = np.int64(generate(row, space.moves))
        return np.int64(space.moves[below(space.rng, count)]) if count else np.int64(-1)
    count = forcing_moves(row, space.moves, space.scores, False, False)
    best, most = np.int64(-1), np.int64(0)
    for i in range(count):
        won = see(row, space.moves[i])
        if won > most or (won == most and best < 0):
            best, most = np.int64(space.moves[i]), np.int64(won)
    return best


@kernel()
def _put_ending(space):
    """Put kings and one to five pieces on random squares of ply 0; returns whether the position is
    legal.
    """
    row = space.teacher.rows[0]
    rng = space.rng
    for word in range(layout.ROW_WORDS):
        row[word] = np.uint64(0)
    for colour in range(2):
        _put(row, np.int64(layout.KING), colour, below(rng, np.int64(64)))
    for _ in range(1 + below(rng, np.int64(MOST_ENDING_PIECES))):
        kind = KINDS_OF_ENDINGS[below(rng, np.int64(len(KINDS_OF_ENDINGS)))]
        square = 8 + below(rng, np.int64(48)) if kind == layout.PAWN else below(rng, np.int64(64))
        _put(row, kind, below(rng, np.int64(2)), square)
    if row[layout.WHITE] & row[layout.BLACK] or _doubly_taken(row):
        return False
    row[layout.SIDE], row[layout.FULLMOVE] = np.uint64(below(rng, np.int64(2))), np.uint64(1)
    row[layout.KEY] = compute_key(row)
    side = np.int64(row[layout.SIDE])
    return not is_attacked(
        row, king_square(row, 1 - side), row[layout.WHITE] | row[layout.BLACK], side
    )


@kernel()
def _put(row, kind, colour, square):
    row[kind] |= bit(square)
    row[layout.WHITE + colour] |= bit(square)


@kernel()
def _doubly_taken(row):
    """Whether two pieces are on one square."""
    taken = row[layout.PAWN]
    for kind in range(layout.KNIGHT, layout.KING + 1):
        if taken & row[kind]:
            return True
        taken |= row[kind]
    return False


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
    offer_below(space, tree, rows, np.int64(ROOT), np.int64(0), root)


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
