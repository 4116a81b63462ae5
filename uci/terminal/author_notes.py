"""What the author of a game wrote into it: its name, comments, arrows and variations, apart from
Aino's own review.

In a PGN, `[%aino 9 ...]` stands behind 9 words of a review, and its variations begin with
`[%aino]`, so that the next review replaces them and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import chess
import chess.pgn

REVIEW_MARK = "[%aino"
_MARK = re.compile(r"\[%aino (\d{1,4})( evals|(?: \d{1,3})*)\]")
_COMMAND = re.compile(r"\s*\[%[^\]]*\]")


def game_name(headers: Mapping[str, str]) -> str:
    """Return what a game is called: the chapter of a study, its players, or else its event."""
    told = {name: text for name, text in headers.items() if is_told(text)}
    players = [told.get(name, "?") for name in ("White", "Black")]
    return (
        told.get("ChapterName")
        or (told.get("Event") if players == ["?", "?"] else None)
        or " – ".join(players)
    )


def is_told(text: str) -> bool:
    """Whether a tag tells anything: programs write "", ?, - and ????.??.?? for what is not known or
    does not apply.
    """
    return bool(text.strip("?.- "))


def with_review(comment: str, words: str, facts: str = "") -> str:
    """Return a comment with words of a review behind it, and with `facts` for the next one."""
    return f"{comment} {words} {REVIEW_MARK} {len(words.split())}{f' {facts}' if facts else ''}]".strip()


def without_review(comment: str) -> tuple[str, str | None]:
    """Return a comment without a review's words, and the facts of its mark; None without one."""
    before, review, behind, facts = _parts(comment)
    return f"{before} {behind.strip()}".strip() if review else comment, facts


def with_author_text(comment: str, text: str) -> str:
    """Return a comment with other words of its author. Commands for programs and a review's words
    stay.
    """
    before, review, behind, _ = _parts(comment)
    plain = text.replace("{", "(").replace("}", ")")  # a comment ends with the first brace
    return " ".join(
        filter(None, map(str.strip, (plain, *_COMMAND.findall(f"{before} {behind}"), review)))
    )


def _parts(comment: str) -> tuple[str, str, str, str | None]:
    """Return what stands before a review's words, these with their mark, what stands behind, and
    the mark's facts.
    """
    found = _MARK.search(comment)
    if found is None:
        return comment, "", "", None
    words = comment[: found.start()]
    count = int(found[1])
    rest = words.rsplit(None, count)[0] if len(words.split()) > count else ""
    return rest, comment[len(rest) : found.end()], comment[found.end() :], found[2].strip()


def is_of_review(variation: chess.pgn.GameNode) -> bool:
    """Whether a review added a variation."""
    return variation.starting_comment.startswith(REVIEW_MARK)


def author_text(comment: str) -> str:
    """Return the words of a comment, without commands for programs, such as clock times, and
    without a review's.
    """
    return _COMMAND.sub("", without_review(comment)[0]).strip()


def notes_at(node: chess.pgn.GameNode) -> str:
    """Return what the author wrote before a move of a variation and behind it."""
    return " ".join(filter(None, map(author_text, (node.starting_comment, node.comment))))


def drawn_by(node: chess.pgn.GameNode) -> list[tuple[chess.Square, chess.Square, str]]:
    """Return the arrows of a node as (from, to, colour); a circle goes from a square to itself."""
    return (
        [(arrow.tail, arrow.head, arrow.color) for arrow in node.arrows()] if node.comment else []
    )


def author_lines(node: chess.pgn.GameNode) -> list[chess.pgn.ChildNode]:
    """Return the first moves of the author's alternatives to the main move of a node."""
    return [variation for variation in node.variations[1:] if not is_of_review(variation)]
