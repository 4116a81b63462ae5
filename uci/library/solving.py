"""One attempt at a puzzle."""

import chess

from engine.board.notation import board_after
from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.annotate.compared_lines import SHOWN_PLIES, Lines
from uci.annotate.material import Moves, last_balance
from uci.annotate.motifs import motif
from uci.annotate.reasons import find_reason, mate_text
from uci.language import _, later, shown_moves
from uci.library.puzzles import Puzzle
from uci.library.reviews import mistake_text
from uci.library.training import PuzzleTraining

REFUTATION = Limits(nodes=20_000)  # of a wrong try
_REFUTATION_PLIES = 4  # that are told


class PuzzleAttempt:
    """A puzzle being solved: the board, what is said about it, and whether it is over. Only the
    first try counts.
    """

    def __init__(self, training: PuzzleTraining, puzzle: Puzzle) -> None:
        self.puzzle = puzzle
        self.board = puzzle.start
        self._played = len(self.board.move_stack)  # before the puzzle begins
        self.side = self.board.turn
        self.is_over = False
        self._is_noted = False
        self.failed: chess.Move | None = None  # the latest try, if it was wrong
        self._training = training
        self.says = self._question()

    def _question(self) -> str:
        sentences = []
        if self.board.move_stack:
            before = board_after(self.board)
            move = before.pop()
            sentences.append(_("The last move was {move}.", move=shown_moves(before.san(move))))
        turns = {chess.WHITE: _("White to move."), chess.BLACK: _("Black to move.")}
        return " ".join([*sentences, turns[self.side], _("Find the only good move.")])

    def play(self, move: chess.Move) -> None:
        """Try a legal move."""
        ply = self._ply
        self.failed = None
        if not self.puzzle.accepts(self.board, move, ply):
            self._note(False)
            self.failed = move
            san = shown_moves(self.board.san(move))
            self.says = _("{move} is not the move. Try again.", move=san)
            return
        self.board.push(move)
        if self.board.is_checkmate() or ply + 1 >= len(self.puzzle.moves):
            verdict = _("Solved!")
            if self._is_noted:
                verdict = _("Solved, but not at the first try.")
            self._note(True)
            self.is_over = True
            self.says = f"{verdict} {self._explanation}"
            return
        reply = self.puzzle.line[ply + 1]
        san = shown_moves(self.board.san(reply))
        self.says = _("Right. The answer is {move}. Go on.", move=san)
        self.board.push(reply)

    @property
    def refuted(self) -> chess.Board:
        """The position after the latest try, which was wrong."""
        if self.failed is None:
            return board_after(self.board)
        return board_after(self.board, self.failed)

    def refute(self, answer: SearchResult | None) -> Moves:
        """Say why the latest try fails, by a search of the position after it, None where the game
        is over there; return the line that answers it.

        What the solution would have won is not told.
        """
        assert self.failed is not None
        line: Moves = []
        why = _("it is stalemate")
        if answer is not None:
            best = answer.infos[0]
            line = best.pv
            why = self._why(self.failed, line, best.score_mate)
        move = shown_moves(self.board.san(self.failed))
        sentences = [_("{move} is not the move: {why}.", move=move, why=why)]
        if line:
            told_line = shown_moves(self.refuted.variation_san(line[:_REFUTATION_PLIES]))
            sentences.append(_("{line} follows.", line=told_line))
        self.says = " ".join([*sentences, _("Try again.")])
        return line

    def _why(self, failed: chess.Move, line: Moves, mate: int | None) -> str:
        played = (failed, *line)
        if mate and (text := find_reason(Lines(self.board, played, played[:1], -mate)).text):
            return text
        lost = last_balance(self.board, played, 1 + SHOWN_PLIES).reversed()
        how = motif(self.refuted, line[:SHOWN_PLIES], lost)
        if lost.pawns <= 0:
            return _("another move is better")
        if how.is_tactic:
            return _("loses {material} to {motif}", material=lost.text, motif=how.text)
        return _("loses {material}", material=lost.text)

    def give_up(self) -> None:
        """Show the solution; the puzzle counts as missed."""
        self._note(False)
        self.failed = None
        rest = self.puzzle.line[self._ply :]
        solution = _("The answer: {moves}.", moves=shown_moves(self.board.variation_san(rest)))
        self.says = f"{solution} {self._explanation}"
        for move in rest:
            self.board.push(move)
        self.is_over = True

    @property
    def _ply(self) -> int:
        """Plies of the solution on the board."""
        return len(self.board.move_stack) - self._played

    @property
    def _explanation(self) -> str:
        """Why the solution is good, and what the review says of the move that was played."""
        own_mistake = mistake_text(self._training.folder, self.puzzle)
        return f"{self._solution_text} {own_mistake}".strip()

    @property
    def _solution_text(self) -> str:
        """Why the solution is good, in a sentence."""
        board = self.puzzle.start
        line = self.puzzle.line
        if board_after(board, *line).is_checkmate():
            return _("It is {mate}.", mate=mate_text(board, line, len(line) // 2 + 1))
        gain = last_balance(board, line, len(line))
        sentences = []
        if gain.won and gain.pawns > 0:
            how = motif(board, line, gain).text
            wins = later("It wins {material}: {how}.") if how else later("It wins {material}.")
            sentences.append(_(wins, material=gain.text, how=how))
        if gain.promotions > 0:
            sentences.append(_("A pawn is promoted."))
        if not sentences:
            sentences.append(_("Every other move is much worse."))
        return " ".join(sentences)

    def _note(self, solved: bool) -> None:
        if not self._is_noted:
            self._is_noted = True
            self._training.answer(self.puzzle, solved)
