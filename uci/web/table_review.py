"""How far the review of a table's game is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TableReview:
    """Nothing was asked for, a review runs, or it is ready."""

    is_running: bool = False
    done: int = 0  # moves that have been judged
    total: int = 0
    page: Callable[[str], str] | None = None  # the page for a nonce, once the review is ready
    # Its marks and its curve, in the language of who asks.
    says: Callable[[], dict[str, Any]] = dict

    @property
    def is_ready(self) -> bool:
        return self.page is not None
