"""What the tree may have overlooked: alpha-beta looks at its most visited nodes, and leads it to what is better there.

Values averaged over a tree and priors that have learned from games are good judges and blind to a combination that
begins with an unlikely move: it gets few visits, and their mean sees the refutations that fail as much as the one that
does not. So nodes with many visits are asked about: is a move better by a margin than the most visited one, by
material, some plies ahead? Such a move, and the line that follows, get a large prior. The tree's own values decide what
comes of it: it is only made to look. What a node was advised holds until it is asked about again and something else
comes of it; then the move has its own prior back.

Baier and Winands 2018, "MCTS-Minimax Hybrids with State Evaluations" (informed priors).

To collect questions and to take answers touches the tree; to answer does not, and may be left to another thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, NO_MOVE, ROW_WORDS
from engine.board.makemove import copy_row, make
from engine.native.jit import kernel
from engine.search.priors import advise, take_back
from engine.search.session import Search
from engine.search.tree import EXPANDED, MAX_DEPTH, NO_NODE, ROOT
from engine.search.walk import is_decided
from engine.tactics.alphabeta import ENTRY_BYTES, AlphaBeta, best_reply, find_better, new_alpha_beta

FEWEST_VISITS = 256  # of a node that is asked about
MARGIN_CP = 80  # what a move has to win
ADVISED_PRIOR = 0.4
LINE = 10  # plies of advice
INNER_SHARE = 0.125  # of the root's positions a visit, that other nodes get
MOST_QUESTIONS = 16  # at a time
MOST_POSITIONS = 8_000  # that alpha-beta looks at for one of them
MOST_POSITIONS_TOGETHER = 16_000  # and for all: ten to twenty milliseconds
LONGEST_WAIT = 2048  # visits until it is time to ask again, where the tree is not so large that to walk it takes longer


class Questions(NamedTuple):
    """Nodes to look at, and what came of it."""

    n_asked: np.ndarray  # int64 [1]
    left: np.ndarray  # int64 [1] positions that alpha-beta may still be given
    node: np.ndarray  # int32 [Q]
    row: np.ndarray  # uint64 [Q, 16] its position
    moves: np.ndarray  # uint16 [Q, 218] its legal moves, the most visited first
    n_moves: np.ndarray  # int64 [Q]
    positions: np.ndarray  # int64 [Q] that alpha-beta may look at
    line: np.ndarray  # uint16 [Q, LINE] the answer: a better move and what follows, up to NO_MOVE
    path: np.ndarray  # uint64 [MAX_DEPTH + 2, 16] scratch: positions from the root down to a node


def new_questions() -> Questions:
    """None yet."""
    return Questions(
        n_asked=np.zeros(1, np.int64),
        left=np.zeros(1, np.int64),
        node=np.zeros(MOST_QUESTIONS, np.int32),
        row=np.zeros((MOST_QUESTIONS, ROW_WORDS), np.uint64),
        moves=np.zeros((MOST_QUESTIONS, MAX_MOVES), np.uint16),
        n_moves=np.zeros(MOST_QUESTIONS, np.int64),
        positions=np.zeros(MOST_QUESTIONS, np.int64),
        line=np.zeros((MOST_QUESTIONS, LINE), np.uint16),
        path=np.zeros((MAX_DEPTH + 2, ROW_WORDS), np.uint64),
    )


class Advisor:
    """Asks and answers for one search, ``search.params.tactical_nodes`` positions for every visit of the root."""

    def __init__(self, search: Search, table_mib: float) -> None:
        self._search = search
        entries = int(table_mib * 2**20) // ENTRY_BYTES
        self._alpha_beta: AlphaBeta = new_alpha_beta(1 << max(1, entries).bit_length() - 1)
        self._questions = new_questions()
        self._generation = search.generation
        self._asked_at = 0  # visits of the root

    def visits_left(self) -> int:
        """Visits of the root until it is time to ask."""
        self._follow_the_tree()
        wait = max(FEWEST_VISITS, min(LONGEST_WAIT, self._asked_at // 8), self._asked_at // 256)
        return max(0, self._asked_at + wait - self._search.visits)

    def collect(self) -> bool:
        """Look for nodes to ask about; returns whether there are any."""
        search = self._search
        self._follow_the_tree()
        self._asked_at = search.visits
        copy_row(search.root_row(), self._questions.path[0])
        self._questions.n_asked[0] = 0
        self._questions.left[0] = MOST_POSITIONS_TOGETHER
        if not search.is_proven and search.forced_move == NO_MOVE:
            ask(search.tree, self._questions, np.int64(ROOT), np.int64(0), search.params.tactical_nodes)
        return self._questions.n_asked[0] > 0

    def _follow_the_tree(self) -> None:
        """A new tree must not depend on the ones before; a new root of the same one has fewer visits."""
        if self._generation != self._search.generation:
            self._generation = self._search.generation
            self._alpha_beta.keys[:] = 0
            self._alpha_beta.history[:] = 0
            self._asked_at = 0
        self._asked_at = min(self._asked_at, self._search.visits)

    def answer(self) -> None:
        """Let alpha-beta look. Any thread may do it, one at a time."""
        answer(self._alpha_beta, self._questions)

    def take_answers(self) -> None:
        """Lead the tree to what was found."""
        take_answers(self._search.tree, self._questions)

    def warm_up(self) -> None:
        """Compile or load the kernels, with nothing to ask: the tree may be empty."""
        self._questions.n_asked[0] = self._questions.left[0] = 0
        ask(self._search.tree, self._questions, np.int64(ROOT), np.int64(0), 0.0)
        self.answer()
        self.take_answers()


@kernel()
def ask(tree, questions, node, depth, nodes_per_visit):
    """Ask about ``node``, at questions.path[depth], and those below it whose visits have grown since the last time."""
    visits = np.int64(tree.visits[node])
    if visits < FEWEST_VISITS or tree.state[node] != EXPANDED or is_decided(tree, node) or depth >= MAX_DEPTH:
        return
    if questions.n_asked[0] == MOST_QUESTIONS or questions.left[0] <= 0:
        return
    new_visits = visits - np.int64(tree.asked_at[node])
    share = 1.0 if node == ROOT else INNER_SHARE
    grown = new_visits > 0 and (node == ROOT or new_visits >= tree.asked_at[node])
    if grown and tree.n_edges[node] > 1:
        write_question(tree, questions, node, depth)
        last = questions.n_asked[0] - 1
        wanted = np.int64(share * nodes_per_visit * new_visits)
        questions.positions[last] = min(wanted, MOST_POSITIONS, questions.left[0])
        questions.left[0] -= questions.positions[last]
        tree.asked_at[node] = visits
    first = np.int64(tree.first_edge[node])
    for edge in range(first, first + tree.n_edges[node]):
        child = np.int64(tree.child[edge])
        if child != NO_NODE and tree.visits[child] >= FEWEST_VISITS:
            make(questions.path[depth], tree.move[edge], questions.path[depth + 1])
            ask(tree, questions, child, depth + 1, nodes_per_visit)


@kernel()
def write_question(tree, questions, node, depth):
    """Add the position and the moves of ``node``."""
    k = questions.n_asked[0]
    questions.n_asked[0] += 1
    questions.node[k] = node
    copy_row(questions.path[depth], questions.row[k])
    first = np.int64(tree.first_edge[node])
    count = np.int64(tree.n_edges[node])
    questions.n_moves[k] = count
    most, most_visits = np.int64(0), np.int64(-1)
    for i in range(count):
        questions.moves[k, i] = tree.move[first + i]
        child = tree.child[first + i]
        if child != NO_NODE and tree.visits[child] > most_visits:
            most, most_visits = np.int64(i), np.int64(tree.visits[child])
    questions.moves[k, 0], questions.moves[k, most] = questions.moves[k, most], questions.moves[k, 0]


@kernel()
def answer(space, questions):
    """Fill in the lines."""
    for k in range(questions.n_asked[0]):
        line, row = questions.line[k], questions.path[0]
        line[:] = NO_MOVE
        copy_row(questions.row[k], row)
        moves, count = questions.moves[k], questions.n_moves[k]
        move = find_better(space, row, moves, count, np.int64(MARGIN_CP), questions.positions[k])
        for i in range(LINE):
            line[i] = move
            if move == NO_MOVE:
                break
            make(row, move, questions.path[1])
            copy_row(questions.path[1], row)
            move = best_reply(space, row)


@kernel()
def take_answers(tree, questions):
    """Give the lines that were found their priors, as far as the tree goes."""
    for k in range(questions.n_asked[0]):
        node = np.int64(questions.node[k])
        if questions.line[k, 0] == NO_MOVE and tree.advised[node] != questions.moves[k, 0]:
            take_back(tree, node)
        for move in questions.line[k]:
            if move == NO_MOVE or node == NO_NODE or tree.state[node] != EXPANDED:
                break
            node = advise(tree, node, move, np.float32(ADVISED_PRIOR))
    questions.n_asked[0] = 0
