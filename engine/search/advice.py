"""What the tree may have overlooked: alpha-beta looks at its most visited nodes, and leads it to what is better there.

Values averaged over a tree and priors that have learned from games are good judges and blind to a combination that
begins with an unlikely move: it gets few visits, and their mean sees the refutations that fail as much as the one that
does not. So nodes with many visits are asked about: is a move better by a margin than the most visited one, by
material, some plies ahead? Such a move, and the line that follows, get a large prior. The tree's own values decide what
comes of it: it is only made to look. An answer holds until the next one, which gives the move its own prior back.

Baier and Winands 2018, "MCTS-Minimax Hybrids with State Evaluations" (informed priors).

To collect questions and to take answers touches the tree; to answer does not, and may be left to another thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, NO_MOVE, ROW_WORDS
from engine.board.makemove import copy_row, make
from engine.jit import kernel
from engine.search.alphabeta import ENTRY_BYTES, AlphaBeta, best_reply, find_better, new_alpha_beta
from engine.search.proofs import is_decided
from engine.search.session import Search
from engine.search.tree import EXPANDED, MAX_DEPTH, NO_NODE, ROOT

FEWEST_VISITS = 256  # of a node that is asked about
MARGIN_CP = 80  # what a move has to win
ADVISED_PRIOR = 0.4
LINE = 10  # plies of advice
INNER_SHARE = 0.125  # of the root's positions a visit, that other nodes get
MOST_QUESTIONS = 16  # at a time
MOST_POSITIONS = 8_000  # that alpha-beta looks at for one of them: ten milliseconds
LONGEST_WAIT = 2048  # visits


class Questions(NamedTuple):
    """Nodes to look at, and what came of it."""

    n_asked: np.ndarray  # int64 [1]
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
        visits = self._search.visits
        self._asked_at = min(self._asked_at, visits)  # it was more: another root
        wait = min(LONGEST_WAIT, max(FEWEST_VISITS, self._asked_at // 8))
        return max(0, self._asked_at + wait - visits)

    def collect(self) -> bool:
        """Look for nodes to ask about; returns whether there are any."""
        search = self._search
        if self._generation != search.generation:  # a new tree: what it becomes must not depend on the ones before
            self._generation = search.generation
            self._alpha_beta.keys[:] = 0
            self._alpha_beta.history[:] = 0
        self._asked_at = search.visits
        copy_row(search.root_row(), self._questions.path[0])
        self._questions.n_asked[0] = 0
        if not search.is_proven:
            ask(search.tree, self._questions, np.int64(ROOT), np.int64(0), search.params.tactical_nodes)
        return self._questions.n_asked[0] > 0

    def answer(self) -> None:
        """Let alpha-beta look. Any thread may do it, one at a time."""
        answer(self._alpha_beta, self._questions)

    def take_answers(self) -> None:
        """Lead the tree to what was found."""
        take_answers(self._search.tree, self._questions)

    def warm_up(self) -> None:
        """Compile or load the kernels, with nothing to ask."""
        self._questions.n_asked[0] = 0
        ask(self._search.tree, self._questions, np.int64(ROOT), np.int64(0), 0.0)
        self.answer()
        self.take_answers()


@kernel()
def ask(tree, questions, node, depth, nodes_per_visit):
    """Ask about ``node``, at questions.path[depth], and those below it whose visits have grown since the last time."""
    visits = np.int64(tree.visits[node])
    if visits < FEWEST_VISITS or tree.state[node] != EXPANDED or is_decided(tree, node) or depth >= MAX_DEPTH:
        return
    if questions.n_asked[0] == MOST_QUESTIONS:
        return
    new_visits = visits - np.int64(tree.asked_at[node])
    share = 1.0 if node == ROOT else INNER_SHARE
    if tree.n_edges[node] > 1 and new_visits >= (0 if node == ROOT else tree.asked_at[node]):
        write_question(tree, questions, node, depth)
        last = questions.n_asked[0] - 1
        questions.positions[last] = min(MOST_POSITIONS, np.int64(share * nodes_per_visit * new_visits))
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
            node = advise(tree, node, move)
    questions.n_asked[0] = 0


@kernel()
def advise(tree, node, move):
    """Give a move of ``node`` a prior of ADVISED_PRIOR, unless its own is larger; returns its child or NO_NODE."""
    if tree.advised[node] != move:
        take_back(tree, node)
    edge = find_edge(tree, node, move)
    if edge == NO_NODE:
        return np.int64(NO_NODE)
    child = np.int64(tree.child[edge])
    prior = tree.prior[edge]
    if prior < np.float32(ADVISED_PRIOR):
        tree.advised[node] = move
        tree.own_prior[node] = prior
        set_prior(tree, node, edge, np.float32(ADVISED_PRIOR))
    return child


@kernel()
def take_back(tree, node):
    """Give the advised move of ``node``, if there is one, its own prior back."""
    if tree.advised[node] != NO_MOVE:
        edge = find_edge(tree, node, tree.advised[node])
        if edge != NO_NODE:
            set_prior(tree, node, edge, tree.own_prior[node])
        tree.advised[node] = NO_MOVE


@kernel()
def find_edge(tree, node, move):
    """The edge of a move, NO_NODE where it is not among the node's."""
    first = np.int64(tree.first_edge[node])
    for edge in range(first, first + tree.n_edges[node]):
        if tree.move[edge] == move:
            return np.int64(edge)
    return np.int64(NO_NODE)


@kernel()
def set_prior(tree, node, edge, prior):
    """Change the prior of one edge; the others share the rest as they did, and the order by priors is kept."""
    first = np.int64(tree.first_edge[node])
    last = first + tree.n_edges[node] - 1
    others = (np.float32(1.0) - prior) / (np.float32(1.0) - tree.prior[edge])
    for other in range(first, last + 1):
        tree.prior[other] *= others
    tree.prior[edge] = prior
    while edge > first and tree.prior[edge - 1] < tree.prior[edge]:
        swap_edges(tree, edge - 1, edge)
        edge -= 1
    while edge < last and tree.prior[edge + 1] > tree.prior[edge]:
        swap_edges(tree, edge, edge + 1)
        edge += 1


@kernel()
def swap_edges(tree, one, other):
    """Let two edges change places."""
    tree.prior[one], tree.prior[other] = tree.prior[other], tree.prior[one]
    tree.child[one], tree.child[other] = tree.child[other], tree.child[one]
    tree.move[one], tree.move[other] = tree.move[other], tree.move[one]
