"""Give problems to solvers, score the outcomes by problem, group and node count, and show them as a
table or JSON.
"""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, starmap
from typing import Any

import chess
import numpy as np
from rich import box
from rich.table import Table

from selfplay.interrupt import Stop
from selfplay.matches.match_game import EngineFault
from selfplay.suites.problem import Problem
from selfplay.suites.solver import BestMove, Solver
from selfplay.threads import share_out


@dataclass
class Outcome:
    """The outcome of one problem, or what a solver has done about it so far."""

    problem: Problem
    # UCI moves; for a puzzle, up to and including the first wrong one.
    played: list[str] = field(default_factory=list)
    found: list[BestMove] = field(default_factory=list)  # when each right move was found for good
    nodes: int = 0  # total for the problem
    time_ms: int = 0
    solved: bool = False
    fault: str = ""  # what a UCI engine did in place of a move

    @property
    def points(self) -> int:
        if self.problem.points:
            return self.problem.points.get("".join(self.played[:1]), 0)
        return int(self.solved)

    @property
    def found_nodes(self) -> int | None:
        """Nodes after which the solution never changed; for a line, the maximum over its moves."""
        if not self.solved:
            return None
        return max(step.nodes for step in self.found)

    @property
    def found_ms(self) -> int | None:
        if not self.solved:
            return None
        return max(step.time_ms for step in self.found)

    def note(self, answer: Sequence[BestMove]) -> None:
        """Take the first choices of a search, of which the last one is played."""
        last = answer[-1]
        self.nodes += last.nodes
        self.time_ms += last.time_ms
        self.played.append(last.move.uci())


def solve_problem(problem: Problem, solver: Solver) -> Outcome:
    """Give a problem to a solver. A line is played to its end, to the first wrong move or fault, or
    to a mate.
    """
    outcome = Outcome(problem)
    try:
        _play_line(outcome, solver)
    except EngineFault as error:
        outcome.fault = error.detail
    return outcome


def _play_line(outcome: Outcome, solver: Solver) -> None:
    """Ask for one move after the other, until one is wrong or none is left. Raises EngineFault."""
    problem = outcome.problem
    board = problem.board()
    for ply in range(0, max(1, len(problem.line)), 2):
        answer = solver.solve(board, fresh=ply == 0)
        outcome.note(answer)
        right = _right_to_the_end(_problem_at(problem, ply, board), answer)
        if not right:
            return
        outcome.found.append(right[0])
        board.push(answer[-1].move)
        if board.is_checkmate() or ply + 1 >= len(problem.line):
            outcome.solved = True
            return
        board.push_uci(problem.line[ply + 1])


def _problem_at(problem: Problem, ply: int, board: chess.Board) -> Problem:
    """Return the problem itself, or a move of its line as a problem of its own."""
    if not problem.line:
        return problem
    best = frozenset([problem.line[ply]])
    return Problem(problem.name, (), board.fen(), best, chess960=problem.chess960)


def _right_to_the_end(problem: Problem, answer: Sequence[BestMove]) -> Sequence[BestMove]:
    """Return the first choices from the one on, behind which all are right."""
    first = len(answer)
    while first > 0 and problem.accepts(answer[first - 1].move, answer[first - 1].mate):
        first -= 1
    return answer[first:]


def solve_all(
    problems: Sequence[Problem],
    new_solver: Callable[[], Solver],
    concurrency: int,
    report: Callable[[Outcome], None],
    stop: Stop,
) -> None:
    """Report the outcome of each problem as it is found. A stop leaves out the problems that were
    not finished.

    `concurrency` solvers work at once. The first error of one stops the others and is raised here.
    """

    def work(
        solver: Solver, problem: Problem, give: Callable[[Outcome], None], halted: object
    ) -> None:
        give(solve_problem(problem, solver))

    share_out(iter(problems), concurrency, "solver", new_solver, work, report, stop)


@dataclass(frozen=True)
class SolvedCount:
    """The score of a group of problems."""

    problems: int
    solved: int
    points: int
    most_points: int
    median_nodes: int | None  # median `found_nodes` of the solved problems

    @property
    def share(self) -> float:
        """Points divided by the maximum, 0..1."""
        return self.points / max(1, self.most_points)


Outcomes = Sequence[Outcome]


def nodes_found(outcomes: Outcomes) -> list[int]:
    """Return the node counts of the solutions."""
    return [outcome.found_nodes for outcome in outcomes if outcome.found_nodes is not None]


def tally(outcomes: Outcomes) -> SolvedCount:
    median_nodes = None
    if nodes := nodes_found(outcomes):
        median_nodes = round(statistics.median(nodes))
    return SolvedCount(
        problems=len(outcomes),
        solved=sum(outcome.solved for outcome in outcomes),
        points=sum(outcome.points for outcome in outcomes),
        most_points=sum(outcome.problem.most_points for outcome in outcomes),
        median_nodes=median_nodes,
    )


def grouped(outcomes: Outcomes) -> dict[str, list[Outcome]]:
    """Outcomes by theme and rating band, sorted by name; numbers inside a name sort by value."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for group in outcome.problem.groups:
            groups.setdefault(group, []).append(outcome)
    return dict(sorted(groups.items(), key=_by_name))


def _by_name(item: tuple[str, object]) -> str:
    return re.sub(r"\d+", lambda number: number[0].zfill(6), item[0])


# What a file with results says of an outcome.
OUTCOME_FACTS = "solved points played nodes time_ms found_nodes found_ms fault".split()
MOST_NODE_COLUMNS = 5  # maximum number of node-count columns
FEW = 5  # groups with fewer problems get no row


def thresholds(outcomes: Outcomes) -> list[int]:
    """Node counts for the "solved by" columns: the largest count needed, and that count divided by
    powers of 4.
    """
    nodes = max(nodes_found(outcomes), default=0)
    steps = list[int]()
    while nodes and len(steps) < MOST_NODE_COLUMNS:
        steps.insert(0, nodes)
        nodes //= 4
    return steps


def suite_table(suites: Mapping[str, Outcomes]) -> Table:
    """One row per suite and, below it, one row per theme or rating band of at least five
    problems.
    """
    steps = thresholds(list(chain(*suites.values())))
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("suite")
    by_step = (f"by {step:,}" for step in steps)
    for title in ("positions", "solved", "points", "median nodes", *by_step):
        table.add_column(title, justify="right")
    for name, outcomes in suites.items():
        table.add_row(*_cells(name, outcomes, steps), style="bold")
        for group, members in grouped(outcomes).items():
            if FEW <= len(members) < len(outcomes):
                table.add_row(*_cells(f"  {group}", members, steps))
    return table


def _cells(name: str, outcomes: Outcomes, steps: Sequence[int]) -> list[str]:
    score = tally(outcomes)
    points = ""
    if score.most_points != score.problems:  # graded moves
        points = f"{score.points}/{score.most_points} ({score.share:.1%})"
    solved = f"{score.solved} ({score.solved / max(1, score.problems):.1%})"
    median = "" if score.median_nodes is None else f"{score.median_nodes:,}"
    nodes = np.array(nodes_found(outcomes))
    by_step = (str(np.count_nonzero(nodes <= step)) for step in steps)
    return [name, str(score.problems), solved, points, median, *by_step]


def suite_json(settings: Mapping[str, Any], suites: Mapping[str, Outcomes]) -> dict[str, Any]:
    """Return settings, scores by suite and group, and every problem's outcome."""
    return {**settings, "suites": list(starmap(_suite_values, suites.items()))}


def _suite_values(name: str, outcomes: Outcomes) -> dict[str, Any]:
    groups = {group: asdict(tally(members)) for group, members in grouped(outcomes).items()}
    problems = list(map(_outcome_values, outcomes))
    return {"name": name, **asdict(tally(outcomes)), "groups": groups, "problems": problems}


def _outcome_values(outcome: Outcome) -> dict[str, Any]:
    values = {"name": outcome.problem.name, "fen": outcome.problem.fen}
    return values | {fact: getattr(outcome, fact) for fact in OUTCOME_FACTS}
