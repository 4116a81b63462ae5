"""Writes games as PGN, so that every reader gets the tags back as they were."""

import re
from collections.abc import Sequence
from typing import Any

import chess
import chess.pgn

from engine.board.notation import move_number
from engine.board.pgn.letters import CODED_RESULTS
from engine.board.pgn.move_words import ENGLISH, Letters

# Names may have joiners and odd spaces.
_CONTROLS = re.compile("[\0-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")


def game_text(game: chess.pgn.Game) -> str:
    """Return a game as PGN's export format has it, with an empty line behind it; files of games are
    such texts in a row.

    Quotes and backslashes in tags are escaped; line breaks and other control characters, which tags
    and comments cannot hold, become spaces, and braces in a comment become brackets.
    """
    return f"{game.accept(_Exporter())}\n\n"


def moves_text(nodes: Sequence[chess.pgn.ChildNode], letters: Letters) -> str:
    """Return the line that the first of a node's children begins, with the others as variations, as
    it stands between the brackets of a variation. `letters` are those of its pieces.
    """
    game = chess.pgn.Game()
    game.setup(nodes[0].parent.board())
    game.comment = nodes[0].starting_comment
    todo = list[tuple[Sequence[chess.pgn.ChildNode], chess.pgn.GameNode]]([(nodes, game)])
    while todo:
        children, parent = todo.pop()
        for child in children:
            copy = parent.add_variation(child.move, comment=child.comment, nags=child.nags)
            if parent.variations[0] is not copy:
                copy.starting_comment = child.starting_comment
            todo.append((child.variations, copy))
    written = game.accept(_Exporter(letters, headers=False, columns=None))
    return written.removesuffix("*").rstrip()


def plain_comment(comment: str) -> str:
    """Return a comment as it can be written: it is read again as it is here."""
    lines = comment.replace("{", "(").replace("}", ")").splitlines()
    return "\n".join(_CONTROLS.sub(" ", line) for line in lines).strip()


class _Exporter(chess.pgn.StringExporter):
    def __init__(self, letters: Letters = ENGLISH, **options: Any) -> None:
        super().__init__(**options)
        self._letters = {
            ord(chess.piece_symbol(piece).upper()): name for name, piece in letters.pieces.items()
        }

    def visit_header(self, tagname: str, tagvalue: str) -> None:
        super().visit_header(
            tagname, _CONTROLS.sub(" ", tagvalue).replace("\\", r"\\").replace('"', r"\"")
        )

    def visit_move(self, board: chess.Board, move: chess.Move) -> None:
        if board.turn == chess.WHITE or self.force_movenumber:
            self.write_token(f"{move_number(board)} ")
        self.write_token(f"{board.san(move).translate(self._letters)} ")
        self.force_movenumber = False

    def visit_comment(self, comment: str) -> None:
        super().visit_comment(plain_comment(comment))

    def visit_result(self, result: str) -> None:
        if result not in CODED_RESULTS[1:]:  # A tag may say anything.
            result = "*"
        super().visit_result(result)
