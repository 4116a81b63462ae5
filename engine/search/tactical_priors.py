"""Hints from alpha-beta: it checks the tree's most visited nodes and points the tree to better
moves it overlooked.

Averaged values and learned priors judge positions well, but miss a combination that begins with an
unlikely move. That move gets few visits, and their mean counts the refutations that fail as much as
the one that works. So alpha-beta checks nodes with many visits: some plies ahead, does another move
win more material than the most visited one, by a margin? Such a move, and the line that follows it,
get a large prior. A hint only makes the tree look; the tree's own values still decide. It holds
until the node is checked again with another outcome, which restores the move's prior.

Baier and Winands 2018, "MCTS-Minimax Hybrids with State Evaluations" (informed priors).

`collect` and `take_answers` touch the tree; `answer` does not, so another thread may run it.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.layout import NO_MOVE
from engine.board.makemove import copy_row, make
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import EXPANDED, MAX_DEPTH, NO_NODE, ROOT, SWEEP
from engine.search.tree.edges import edges_of
from engine.search.tree.params import (
    HINT_INNER_SHARE,
    HINT_LEAST_VISITS,
    HINT_LONGEST_WAIT,
    HINT_MARGIN_CP,
    HINT_PLIES,
    HINT_POSITIONS,
    HINT_POSITIONS_TOGETHER,
    HINT_PRIOR,
    HINT_QUESTIONS,
)
from engine.search.tree.priors import hint, restore
from engine.search.tree.proofs import is_decided
from engine.tactics.alphabeta import ENTRY_BYTES, AlphaBeta, best_reply, find_better, new_alpha_beta


class Questions(NamedTuple):
    """Up to Q = HINT_QUESTIONS nodes for alpha-beta to check, and its answers."""

    n_asked: Annotated[np.ndarray, "int64 [1]"]  # number of questions, at most Q.
    # Positions that new questions may still assign to alpha-beta.
    left: Annotated[np.ndarray, "int64 [1]"]
    node: Annotated[np.ndarray, "int32 [Q]"]  # the node asked about.
    row: Annotated[np.ndarray, "uint64 [Q, 16]"]  # the node's position.
    # The node's legal moves, the most visited first.
    moves: Annotated[np.ndarray, "uint16 [Q, 218]"]
    n_moves: Annotated[np.ndarray, "int64 [Q]"]  # number of legal moves.
    # Alpha-beta may search at most this many positions.
    positions: Annotated[np.ndarray, "int64 [Q]"]
    # A better move and the line that follows it, up to NO_MOVE.
    line: Annotated[np.ndarray, "uint16 [Q, HINT_PLIES]"]
    # Scratch for the positions from the root down to a node.
    path: Annotated[np.ndarray, "uint64 [MAX_DEPTH + 2, 16]"]


class TacticalPriors:
    """Gives one search hints; alpha-beta may search `search.params.tactical_nodes` positions per
    visit of the root.

    Attributes:
        in_haste: whether `answer` leaves questions open, because somebody waits.
    """

    def __init__(self, search: Search, table_mib: float) -> None:
        self._search = search
        entries = int(table_mib * 2**20) // ENTRY_BYTES
        self._alpha_beta: AlphaBeta = new_alpha_beta(1 << max(1, entries).bit_length() - 1)
        self._questions = buffers(Questions, Q=HINT_QUESTIONS)
        self._answered = 0  # Number of questions that are answered.
        self.in_haste = False
        self._generation = search.generation
        self._asked_at = 0  # Visits of the root when `collect` last ran.
        self._has_learned = False  # Whether alpha-beta remembers anything.

    def due_at(self) -> int:
        """Visits of the root at which it is time to call `collect` again."""
        self._follow_the_tree()
        asked_at = self._asked_at
        return asked_at + max(
            HINT_LEAST_VISITS, min(HINT_LONGEST_WAIT, asked_at // 8), asked_at // 256
        )

    def collect(self) -> bool:
        """Write a question for each node that alpha-beta should check; returns whether there are
        any.
        """
        search = self._search
        self._follow_the_tree()
        self._asked_at = search.visits
        self._questions.path[0] = search.root_row()
        self._questions.n_asked[0] = self._answered = 0
        self._questions.left[0] = HINT_POSITIONS_TOGETHER
        if not search.is_proven and search.forced_move == NO_MOVE:
            search.tree.counters[SWEEP] += 1
            ask(search.tree, self._questions, ROOT, 0, search.params.tactical_nodes)
        return self._questions.n_asked[0] > 0

    def _follow_the_tree(self) -> None:
        """Reset alpha-beta for a new tree, which must not depend on earlier ones; a new root has
        fewer visits.
        """
        if self._generation != self._search.generation:
            self._generation = self._search.generation
            self._asked_at = 0
            if self._has_learned:
                self._has_learned = False
                self._alpha_beta.keys[:] = 0
                self._alpha_beta.history[:] = 0
        self._asked_at = min(self._asked_at, self._search.visits)

    @property
    def is_asking(self) -> bool:
        """Whether a question is open."""
        return self._answered < int(self._questions.n_asked[0])

    def answer(self) -> None:
        """Let alpha-beta answer the open questions. Any thread may call this, one at a time."""
        while self.is_asking and not self.in_haste:
            self.answer_next()

    def answer_next(self) -> bool:
        """Let alpha-beta answer one open question, in some milliseconds. Returns whether it was the
        last.
        """
        self._has_learned = True
        answer(self._alpha_beta, self._questions, self._answered)
        self._answered += 1
        return not self.is_asking

    def take_answers(self) -> None:
        """Give the moves that alpha-beta found their new priors."""
        take_answers(self._search.tree, self._questions)

    def warm_up(self) -> None:
        """Compile or load the kernels without asking anything; the tree may be empty."""
        self._questions.n_asked[0] = self._questions.left[0] = 0
        ask(self._search.tree, self._questions, ROOT, 0, 0.0)
        answer(self._alpha_beta, self._questions, 0)
        self.take_answers()


@kernel()
def ask(tree, questions, node, depth, nodes_per_visit):
    """Ask about `node`, whose position is questions.path[depth], and nodes below it, if visits grew
    enough since.
    """
    its = tree.nodes[node]
    visits = its.visits
    if visits < HINT_LEAST_VISITS or depth >= MAX_DEPTH:
        return
    if (
        its.state != EXPANDED
        or is_decided(tree, node)
        or tree.seen_in[node] == tree.counters[SWEEP]
    ):
        return
    tree.seen_in[node] = tree.counters[SWEEP]
    if questions.n_asked[0] == HINT_QUESTIONS or questions.left[0] <= 0:
        return
    new_visits = visits - tree.asked_at[node]
    share = 1.0 if node == ROOT else HINT_INNER_SHARE
    grown = new_visits > 0 and (node == ROOT or new_visits >= tree.asked_at[node])
    if grown and its.n_edges > 1:
        write_question(tree, questions, node, depth)
        last = questions.n_asked[0] - 1
        positions = np.int64(share * nodes_per_visit * new_visits)
        most = min(HINT_POSITIONS, questions.left[0])
        questions.positions[last] = min(positions, most)
        questions.left[0] -= questions.positions[last]
        tree.asked_at[node] = visits
    for edge in range(*edges_of(tree, node)):
        child = np.int64(tree.edges[edge].child)
        if child != NO_NODE and tree.nodes[child].visits >= HINT_LEAST_VISITS:
            make(questions.path[depth], tree.edges[edge].move, questions.path[depth + 1])
            ask(tree, questions, child, depth + 1, nodes_per_visit)


@kernel()
def write_question(tree, questions, node, depth):
    """Add a question with the position and the moves of `node`."""
    k = questions.n_asked[0]
    questions.n_asked[0] += 1
    questions.node[k] = node
    copy_row(questions.path[depth], questions.row[k])
    first = tree.nodes[node].first_edge
    count = np.int64(tree.nodes[node].n_edges)
    questions.n_moves[k] = count
    moves = questions.moves[k]
    most, most_visits = 0, -1
    for i in range(count):
        its = tree.edges[first + i]
        moves[i] = its.move
        if its.child != NO_NODE and its.passes > most_visits:
            most, most_visits = i, its.passes
    moves[0], moves[most] = moves[most], moves[0]


@kernel()
def answer(space, questions, k):
    """Fill in the line of question `k`, if it was asked: a better move and its best replies, or
    NO_MOVE.
    """
    if k >= questions.n_asked[0]:
        return
    line, row = questions.line[k], questions.path[0]
    for i in range(line.size):
        line[i] = NO_MOVE
    copy_row(questions.row[k], row)
    moves, count = questions.moves[k], questions.n_moves[k]
    move = find_better(space, row, moves, count, np.int64(HINT_MARGIN_CP), questions.positions[k])
    for i in range(HINT_PLIES):
        line[i] = move
        if move == NO_MOVE:
            break
        make(row, move, questions.path[1])
        copy_row(questions.path[1], row)
        move = best_reply(space, row)


@kernel()
def take_answers(tree, questions):
    """Raise the priors along each line that was found, as far as the tree is expanded."""
    for k in range(questions.n_asked[0]):
        node = np.int64(questions.node[k])
        if questions.line[k, 0] == NO_MOVE and tree.hinted[node] != questions.moves[k, 0]:
            restore(tree, node)
        for move in questions.line[k]:
            if move == NO_MOVE or node == NO_NODE or tree.nodes[node].state != EXPANDED:
                break
            node = hint(tree, node, move, np.float32(HINT_PRIOR))
    questions.n_asked[0] = 0
