"""The page of one position: what was observed, turned into what the template shows."""

import math
from collections.abc import Callable, Sequence

import chess
from markupsafe import Markup

from engine.board.notation import board_after, move_number
from engine.pages.board import Arrow, board_svg
from engine.pages.chart import Chart, Curve, DrawnChart, drawn
from engine.search.result import Branch, RootMove
from uci.common.evaluation import Evaluation
from uci.explain.insight import Threat
from uci.explain.observe import Observation, Snapshot
from uci.pages.render import render

_SERIES = 6  # moves in charts and tables; the style sheet has as many colours
_LINE_PLIES = 10


def render_position_page(
    observation: Observation,
    first_sight: Evaluation,
    threat: Threat | None,
    **shown: object,
) -> str:
    """Return the page. `first_sight` is the evaluator's evaluation before any search, from the side to
    move.

    What is `shown` goes into the template as it is: title, evaluator, and each side's captures that
    gain, those of the side to move first.
    """
    board = observation.board
    moves = observation.leading_moves(_SERIES)
    return render(
        "explain.html.j2",
        fen=board.fen(),
        mover=_name(board.turn),
        opponent=_name(not board.turn),
        board=_main_board(observation, threat),
        best=board.san(moves[0].move),
        line=board.variation_san(observation.result.infos[0].pv[:_LINE_PLIES]),
        evaluation=observation.evaluation,
        seen_by_white=lambda evaluation: evaluation.seen_by_white(board.turn),
        story=_story(observation, first_sight, moves),
        nodes=observation.snapshots[-1].nodes,
        moves=[_move_row(observation, child) for child in moves],
        charts=_charts(observation, moves),
        tree=[_branch(board, branch) for branch in observation.tree],
        threat=_threat(observation, threat),
        in_check=board.is_check(),
        **shown,
    )


def _name(side: chess.Color) -> str:
    return chess.COLOR_NAMES[side].title()


def _main_board(observation: Observation, threat: Threat | None) -> Markup:
    """Return the position with the best move and the threat as arrows."""
    board = observation.board
    best = observation.result.best_move
    assert best is not None
    arrows = []
    if threat is not None:
        for move in threat.line[:1]:
            arrows.append(Arrow(move.from_square, move.to_square, "threat"))
    arrows.append(Arrow(best.from_square, best.to_square, "better"))
    return board_svg(board, perspective=board.turn, arrows=arrows, label="The position")


def _story(
    observation: Observation, first_sight: Evaluation, moves: Sequence[RootMove]
) -> list[str]:
    """Return what happened, in sentences."""
    board = observation.board
    favourite = max(moves, key=lambda child: child.prior)
    best = moves[0]
    lines = [
        f"The policy's first choice was {board.san(favourite.move)}, with {favourite.prior:.0%}."
    ]
    if best.move == favourite.move:
        lines.append("The search agreed.")
    else:
        lines.append(
            f"The search settled on {board.san(best.move)}, which the policy gave only {best.prior:.0%}; "
            f"it led for good after {observation.decided_at:,} nodes."
        )
    change = observation.evaluation.expected - first_sight.expected
    if observation.evaluation.mate:
        lines.append(f"It found a forced mate: {observation.evaluation.text}.")
    elif abs(change) >= 0.05:
        better = "better" if change > 0 else "worse"
        lines.append(
            f"The position is {better} than it looked: the expected points went "
            f"from {first_sight.expected:.0%} to {observation.evaluation.expected:.0%}."
        )
    return lines


def _move_row(observation: Observation, child: RootMove) -> dict[str, object]:
    score, shares = "not tried", ""
    if child.visits:
        evaluation = Evaluation.of_move(child)
        score, shares = evaluation.text, evaluation.shares_text
    return {
        "san": observation.board.san(child.move),
        "prior": child.prior,
        "share": observation.snapshots[-1].share(child.move) or 0.0,
        "score": score,
        "wdl": shares,
    }


def _charts(observation: Observation, moves: Sequence[RootMove]) -> list[DrawnChart]:
    """Visits and values of the leading moves over the nodes of the search, on a logarithmic
    axis.
    """
    worth = f"What each move is worth: {_name(observation.board.turn)}'s expected points"
    values = {
        "Where the visits went: each move's share": Snapshot.share,
        worth: Snapshot.expected,
    }
    return drawn(
        Chart(
            title,
            [_curve(observation, child.move, value_of) for child in moves],
            percent=True,
            x_name="Nodes on a logarithmic scale",
            log_x=True,
        )
        for title, value_of in values.items()
    )


def _curve(
    observation: Observation,
    move: chess.Move,
    value_of: Callable[[Snapshot, chess.Move], float | None],
) -> Curve:
    points = []
    for snapshot in observation.snapshots:
        value = value_of(snapshot, move)
        if value is not None:
            points.append((math.log10(snapshot.nodes), value))
    return Curve(observation.board.san(move), points, dots=False)


def _branch(board: chess.Board, branch: Branch) -> dict[str, object]:
    """Return a branch for the template: its text, and its replies."""
    after = board_after(board, branch.move)
    return {
        "text": f"{move_number(board)} {board.san(branch.move)}",
        "visits": branch.visits,
        "prior": branch.prior,
        "expected": (branch.q + 1.0) / 2.0,
        "side": _name(board.turn),
        "replies": [_branch(after, reply) for reply in branch.replies],
    }


def _threat(observation: Observation, threat: Threat | None) -> dict[str, object] | None:
    if threat is None:
        return None
    cost = observation.evaluation.expected - threat.evaluation.expected
    return {
        "line": threat.board.variation_san(threat.line[:_LINE_PLIES]),
        "evaluation": threat.evaluation,
        "cost": max(0.0, cost),
    }
