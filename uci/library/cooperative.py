"""Long work in steps, between which others are answered."""

from collections.abc import Generator
from typing import TypeVar, cast

Answer = TypeVar("Answer")
Steps = Generator[None, None, None]


def finish(steps: Generator[object, None, Answer]) -> Answer:
    """Do all steps; return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(Answer, end.value)
