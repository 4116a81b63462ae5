"""Moves as people write them in the terminal game."""

import chess
import chess.pgn
import pytest

from engine.errors import MoveError
from uci.game.move_input import read_human_move


@pytest.mark.parametrize(
    ("text", "fen", "uci"),
    [
        ("e4", chess.STARTING_FEN, "e2e4"),
        ("e2-e4", chess.STARTING_FEN, "e2e4"),
        ("nf3!?", chess.STARTING_FEN, "g1f3"),
        ("Ng1-f3", chess.STARTING_FEN, "g1f3"),
        ("0-0", "4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1"),
        ("ooo", "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1", "e1c1"),
        ("e1h1", "4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1"),
        ("e8=Q+", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "e7e8q"),
        ("e8n", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "e7e8n"),
        ("e7e8R", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "e7e8r"),
        ("bxc3", "4k3/8/8/8/8/2n5/1P6/B3K3 w - - 0 1", "b2c3"),
        *((f"castle{how}", "4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1") for how in ("", "s short", " k", " king-side")),
        ("Castle long", "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1c1"),
    ],
)
def test_human_notations_are_read(text: str, fen: str, uci: str) -> None:
    assert read_human_move(chess.Board(fen), text).uci() == uci


@pytest.mark.parametrize(
    ("text", "fen", "help_text"),
    [
        ("Nd2", "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1", "ambiguous: Nbd2, Nfd2"),
        ("hello", chess.STARTING_FEN, "cannot read 'hello'"),
        ("Z0", chess.STARTING_FEN, "cannot read 'Z0'"),  # python-chess: a null move
        ("0000", chess.STARTING_FEN, "cannot read '0000'"),
        ("e5", chess.STARTING_FEN, "e5 is illegal"),
        ("Ne5", chess.STARTING_FEN, "Your knights can only move to a3, c3, f3 or h3"),
        ("Qf3", chess.STARTING_FEN, "To that square you can play Nf3"),
        ("e2e5", chess.STARTING_FEN, "Your pawn on e2 can only move to e3 or e4"),
        ("e3e4", chess.STARTING_FEN, "e3 is empty"),
        ("e7e5", chess.STARTING_FEN, "piece on e7 is not yours"),
        ("e7e8", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "add the piece, as in e7e8q"),
        ("a3", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1", "you are in check. You can play"),
        ("a2a3", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1", "you are in check. You can play"),
        ("castle", "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "castle which way"),
        ("castle", chess.STARTING_FEN, "illegal"),
    ],
)
def test_refused_move_says_what_could_be_meant(text: str, fen: str, help_text: str) -> None:
    with pytest.raises(MoveError) as caught:
        read_human_move(chess.Board(fen), text)
    assert help_text in str(caught.value)
