"""Moves as people write them in the terminal game."""

import contextlib

import chess
import chess.pgn
import pytest

from engine.errors import MoveError
from uci.game.move_input import read_human_move
from uci.language import shown_moves, shows_own_letters, speak, spoken_languages

START, CASTLING, ROOK = chess.STARTING_FEN, "r3k3/1P6/8/8/8/8/8/R3K2R w KQ - 0 1", "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1"
KNIGHTS, CHECK = "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1"
PROMOTION = "8/4P3/8/8/8/8/k7/4K3 w - - 0 1"


@pytest.mark.parametrize(
    ("code", "fen", "moves"),
    [
        ("en", START, {"e4": "e2e4", "e2-e4": "e2e4", "nf3!?": "g1f3", "Ng1-f3": "g1f3"}),
        ("en", CASTLING, {"0-0": "e1g1", "ooo": "e1c1", "e1h1": "e1g1"}),
        ("en", PROMOTION, {"e8=Q+": "e7e8q", "e8n": "e7e8n", "e7e8R": "e7e8r"}),
        ("en", "4k3/8/8/8/8/2n5/1P6/B3K3 w - - 0 1", {"bxc3": "b2c3"}),
        ("de", START, {"Sg1-f3": "g1f3", "sf3!": "g1f3", "Nf3": "g1f3", "Be4": "e2e4"}),
        (
            "de",
            "4k3/8/8/8/4p3/3P1Q2/4P3/4KB2 w - - 0 1",
            {"Bg2": "f1g2", "Be3": "e2e3", "dxe4": "d3e4", "Dxe4+": "f3e4"},
        ),
        ("de", PROMOTION, {"e8=D+": "e7e8q", "e8s": "e7e8n", "e8=B": "e7e8b", "e7e8T": "e7e8r"}),
        ("fr", ROOK, {"Rd2": "e1d2", "Rb1": "a1b1", "Td1+": "a1d1", "Kd1": "e1d1", "ta2": "a1a2"}),
        ("es", "4k3/5p2/8/8/2B5/8/8/4K3 w - - 0 1", {"Axf7+": "c4f7", "ad5": "c4d5"}),
    ],
)
def test_human_notations_are_read(code: str, fen: str, moves: dict[str, str]) -> None:
    """With the letters of one's language, too."""
    speak(code)
    assert {text: read_human_move(chess.Board(fen), text).uci() for text in moves} == moves


@pytest.mark.parametrize(
    ("code", "text", "fen", "help_text"),
    [
        ("en", "Nd2", KNIGHTS, "ambiguous: Nbd2, Nfd2"),
        ("en", "hello", START, "cannot read 'hello'"),
        ("en", "Z0", START, "cannot read 'Z0'"),  # python-chess: a null move
        ("en", "0000", START, "cannot read '0000'"),
        ("en", "e5", START, "e5 is illegal"),
        ("en", "Ne5", START, "Your knights can only move to a3, c3, f3 or h3"),
        ("en", "Qf3", START, "To that square you can play Nf3"),
        ("en", "e2e5", START, "Your pawn on e2 can only move to e3 or e4"),
        ("en", "e3e4", START, "e3 is empty"),
        ("en", "e7e5", START, "piece on e7 is not yours"),
        ("en", "e7e8", PROMOTION, "add the piece, as in e7e8q"),
        ("en", "a3", CHECK, "you are in check. You can play"),
        ("en", "a2a3", CHECK, "you are in check. You can play"),
        ("de", "Sd2", KNIGHTS, "mehrdeutig: Nbd2, Nfd2"),
        ("de", "Se5", START, "Ihre Springer können nur nach a3, c3, f3 oder h3 ziehen"),
        ("fr", "Rd1", ROOK, "ambigu : tour a1d1, roi e1d1"),
    ],
)
def test_refused_move_says_what_could_be_meant(code: str, text: str, fen: str, help_text: str) -> None:
    speak(code)
    with pytest.raises(MoveError) as caught:
        read_human_move(chess.Board(fen), text)
    assert help_text in str(caught.value)


@pytest.mark.parametrize("code", spoken_languages())
@pytest.mark.parametrize("is_own", [False, True])
def test_every_move_can_be_typed_as_it_is_shown(code: str, is_own: bool) -> None:
    """With English letters or the language's own; English ones may be the other move's, too, which is asked then."""
    speak(code)
    shows_own_letters.set(is_own)
    for fen in ("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1", CASTLING, ROOK):
        board = chess.Board(fen)
        for move in board.legal_moves:
            with contextlib.nullcontext() if is_own else contextlib.suppress(MoveError):
                assert read_human_move(board, shown_moves(board.san(move))) == move


@pytest.mark.parametrize("text", ["castle", "castles short", "Castle kingside", "castle k", "castle king-side"])
def test_castling_can_be_typed_as_a_word(text: str) -> None:
    board = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1")
    assert read_human_move(board, text) == chess.Move.from_uci("e1g1")


def test_castling_both_ways_needs_the_side() -> None:
    board = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    with pytest.raises(MoveError, match="castle which way"):
        read_human_move(board, "castle")
    assert read_human_move(board, "castle long") == chess.Move.from_uci("e1c1")
    with pytest.raises(MoveError, match="illegal"):
        read_human_move(chess.Board(), "castle")
