"""Writes games as PGN, so that every reader gets the tags back as they were."""

from __future__ import annotations

import chess.pgn

from engine.board.pgn.letters import CODED_RESULTS


def game_text(game: chess.pgn.Game) -> str:
    """Return a game as PGN's export format has it, with an empty line behind it; files of games are such texts in a
    row.

    Quotes and backslashes in tags are escaped; line breaks and other control characters, which tags and comments cannot
    hold, become spaces, and a closing brace in a comment becomes a bracket.
    """
    return f"{game.accept(_Exporter())}\n\n"


class _Exporter(chess.pgn.StringExporter):
    def visit_header(self, tagname: str, tagvalue: str) -> None:
        super().visit_header(tagname, _printable(tagvalue).replace("\\", r"\\").replace('"', r"\""))

    def visit_comment(self, comment: str) -> None:
        super().visit_comment("\n".join(map(_printable, comment.replace("}", ")").splitlines())))

    def visit_result(self, result: str) -> None:
        super().visit_result(result if result in CODED_RESULTS[1:] else "*")  # a tag may say anything


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
