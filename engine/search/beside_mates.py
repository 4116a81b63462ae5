"""Several lines of analysis, one of them a mate: its proof ends a search, and other moves are searched on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.search.job import SearchOrder
from engine.search.result import RootMove, SearchInfo, SearchResult


def search_beside_mates(order: SearchOrder, count: int, run: Callable[[SearchOrder], SearchResult]) -> SearchResult:
    """`run` an order, and after each mate for the mover once more without its move, until ``count`` lines are searched.

    Limits hold for all runs together; the visits of mates count as searched. Every run must count its nodes and time
    from the first one's beginning.
    """
    limits, on_info = order.limits, order.on_info
    lines: list[SearchInfo] = []  # of the mates found, as are `mates`
    mates: list[RootMove] = []
    moves = order.only or tuple(order.board.legal_moves)

    def merged(infos: Sequence[SearchInfo]) -> list[SearchInfo]:
        now = infos[0]
        known = [
            replace(now, score_cp=line.score_cp, score_mate=line.score_mate, wdl=line.wdl, pv=line.pv) for line in lines
        ]
        best_first = sorted([*known, *infos], key=lambda info: _moves_to_win(info.score_mate))
        return [replace(info, multipv=rank) for rank, info in enumerate(best_first[:count], 1)]

    while True:
        searched = sum(mate.visits for mate in mates)
        part = replace(
            order,
            limits=replace(limits, infinite=False, nodes=limits.nodes and max(1, limits.nodes - searched)),
            only=moves if mates else order.only,
            on_info=on_info and (lambda infos: on_info(merged(infos))),
        )
        result = run(part)
        moves = tuple(move for move in moves if move != result.infos[0].pv[0])
        if (result.infos[0].score_mate or 0) <= 0 or len(lines) + 1 >= count or not moves or order.control.stopped:
            break
        lines.append(result.infos[0])
        mates.append(result.children[0])
    if limits.infinite:
        order.control.wait_stop()
    infos = merged(result.infos)
    children = sorted([*mates, *result.children], key=lambda child: _moves_to_win(child.mate))
    line = infos[0].pv
    return replace(
        result, infos=infos, children=children, best_move=line[0], ponder_move=line[1] if len(line) > 1 else None
    )


def _moves_to_win(mate: int | None) -> float:
    return mate if mate is not None and mate > 0 else math.inf
