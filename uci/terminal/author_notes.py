"""What the author of a game wrote into it: its name, comments, arrows and variations, apart from Aino's own review.

In a PGN, `[%aino 9 ...]` stands behind 9 words of a review, and its variations begin with `[%aino]`, so that the next
review replaces them and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import chess
import chess.pgn

from engine.board.notation import move_number

REVIEW_MARK = "[%aino"
_MARK = re.compile(r"\[%aino (\d{1,4})( evals|(?: \d{1,3})*)\]")
_COMMAND = re.compile(r"\s*\[%[^\]]*\]")


def game_name(headers: Mapping[str, str]) -> str:
    """Return what a game is called: the chapter of a study, its players, or else its event."""
    chapter, event = (_known(headers.get(name, "")) for name in ("ChapterName", "Event"))
    players = [headers.get(name, "?") for name in ("White", "Black")]
    return chapter or (event if event and not any(map(_known, players)) else " – ".join(players))


def _known(text: str) -> str:
    return text if text.strip("?. ") else ""


def with_review(comment: str, words: str, facts: str = "") -> str:
    """Return a comment with words of a review behind it, and with `facts` for the next one."""
    return f"{comment} {words} {REVIEW_MARK} {len(words.split())}{f' {facts}' if facts else ''}]".strip()


def without_review(comment: str) -> tuple[str, str | None]:
    """Return a comment without a review's words, and the facts of its mark; None without one."""
    found = _MARK.search(comment)
    if found is None:
        return comment, None
    words, count = comment[: found.start()], int(found[1])
    rest = words.rsplit(None, count)[0] if len(words.split()) > count else ""
    return f"{rest} {comment[found.end() :].strip()}".strip(), found[2].strip()


def is_of_review(variation: chess.pgn.GameNode) -> bool:
    """Whether a review added a variation."""
    return variation.starting_comment.startswith(REVIEW_MARK)


def author_text(comment: str) -> str:
    """Return the words of a comment, without commands for programs, such as clock times, and without a review's."""
    return _COMMAND.sub("", without_review(comment)[0]).strip()


def drawn_by(node: chess.pgn.GameNode) -> list[tuple[chess.Square, chess.Square, str]]:
    """Return the arrows of a node as (from, to, colour); a circle goes from a square to itself."""
    return [(arrow.tail, arrow.head, arrow.color) for arrow in node.arrows()]


def author_lines(
    node: chess.pgn.GameNode, before: Sequence[chess.pgn.ChildNode] = ()
) -> Iterator[list[chess.pgn.ChildNode]]:
    """Yield the author's alternatives to the main move of a node, each from the node on, with theirs behind each.

    `before` are the moves that lead to the node from where the lines begin.
    """
    for variation in node.variations[1:]:
        if not is_of_review(variation):
            line = [*before, variation, *variation.mainline()]
            yield line
            for at in range(len(before), len(line)):
                yield from author_lines(line[at], line[: at + 1])


def notes_of(game: chess.pgn.Game) -> list[dict[str, Any]]:
    """For the start and each move of the main line: the author's words, arrows, and alternatives to the next move.

    Each has those keys only for which there is something.
    """
    found = []
    for node in (game, *game.mainline()):
        lines, told = [], set()
        for line in author_lines(node):
            new = [one for one in line if one not in told]
            told.update(new)
            lines.append(
                {
                    "moves": list(map(_move, line)),
                    "note": " ".join(filter(None, (author_text(one.comment) for one in new))),
                }
            )
        notes = {"note": author_text(node.comment), "drawn": drawn_by(node), "alternatives": lines}
        found.append({name: value for name, value in notes.items() if value})
    return found


def _move(node: chess.pgn.ChildNode) -> dict[str, str]:
    return {"uci": node.uci(), "san": node.san(), "number": move_number(node.parent.board())}
