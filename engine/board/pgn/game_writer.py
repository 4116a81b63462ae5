"""Writes games as PGN, so that every reader gets the tags back as they were."""

from __future__ import annotations

import re

import chess.pgn

from engine.board.pgn.letters import CODED_RESULTS

_CONTROLS = re.compile(
    "[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
)  # names may have joiners and odd spaces


def game_text(game: chess.pgn.Game) -> str:
    """Return a game as PGN's export format has it, with an empty line behind it; files of games are
    such texts in a row.

    Quotes and backslashes in tags are escaped; line breaks and other control characters, which tags
    and comments cannot hold, become spaces, and braces in a comment become brackets.
    """
    return f"{game.accept(_Exporter())}\n\n"


class _Exporter(chess.pgn.StringExporter):
    def visit_header(self, tagname: str, tagvalue: str) -> None:
        super().visit_header(
            tagname, _CONTROLS.sub(" ", tagvalue).replace("\\", r"\\").replace('"', r"\"")
        )

    def visit_comment(self, comment: str) -> None:
        lines = comment.replace("{", "(").replace("}", ")").splitlines()
        super().visit_comment("\n".join(_CONTROLS.sub(" ", line) for line in lines))

    def visit_result(self, result: str) -> None:
        super().visit_result(
            result if result in CODED_RESULTS[1:] else "*"
        )  # a tag may say anything
