"""Moves as people write them in the terminal game."""

import contextlib
import re

import chess
import pytest

from engine.errors import MoveError
from uci.game.move_input import read_human_move
from uci.language import own_letters, shown_moves, shows_own_letters, speak, spoken_languages

START, ROOK = chess.STARTING_FEN, "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1"
SHORT, BOTH = "4k3/8/8/8/8/8/8/4K2R w K - 0 1", "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
KNIGHTS, CHECK = "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1"
PROMOTION, BISHOP = "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "4k3/8/8/8/4p3/3P1Q2/4P3/4KB2 w - - 0 1"
CASTLE = dict.fromkeys(("castle", "castles short", "Castle kingside", "castle k", "castle king-side"), "e1g1")


@pytest.mark.parametrize(
    ("code", "fen", "moves"),
    [
        ("en", START, {"e4": "e2e4", "e2-e4": "e2e4", "nf3!?": "g1f3", "Ng1-f3": "g1f3"}),
        ("en", SHORT, {"0-0": "e1g1", "e1h1": "e1g1", **CASTLE}),
        ("en", BOTH, {"ooo": "e1c1", "castle long": "e1c1"}),
        ("en", PROMOTION, {"e8=Q+": "e7e8q", "e8n": "e7e8n", "e7e8R": "e7e8r"}),
        ("en", "4k3/8/8/8/8/2n5/1P6/B3K3 w - - 0 1", {"bxc3": "b2c3"}),
        ("de", START, {"Sg1-f3": "g1f3", "sf3!": "g1f3", "Nf3": "g1f3", "Be4": "e2e4"}),
        ("de", BISHOP, {"Bg2": "f1g2", "Be3": "e2e3", "dxe4": "d3e4", "Dxe4+": "f3e4"}),
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
    ("code", "fen", "answers"),
    [
        ("en", KNIGHTS, {"Nd2": "ambiguous: Nbd2, Nfd2"}),
        ("en", START, {text: f"cannot read '{text}'" for text in ("hello", "Z0", "0000")}),  # python-chess: null moves
        ("en", START, {"e5": "e5 is illegal", "e3e4": "e3 is empty", "e7e5": "piece on e7 is not yours"}),
        ("en", START, {"Ne5": "Your knights can only move to a3, c3, f3 or h3", "castle": "illegal"}),
        ("en", START, {"Qf3": "To that square you can play Nf3", "e2e5": "Your pawn on e2 can only move to e3 or e4"}),
        ("en", PROMOTION, {"e7e8": "add the piece, as in e7e8q"}),
        ("en", CHECK, dict.fromkeys(("a3", "a2a3"), "you are in check. You can play")),
        ("en", BOTH, {"castle": "castle which way"}),
        ("de", KNIGHTS, {"Sd2": "mehrdeutig: Nbd2, Nfd2"}),
        ("de", START, {"Se5": "Ihre Springer können nur nach a3, c3, f3 oder h3 ziehen"}),
        ("fr", ROOK, {"Rd1": "ambigu : tour a1d1, roi e1d1"}),
    ],
)
def test_refused_move_says_what_could_be_meant(code: str, fen: str, answers: dict[str, str]) -> None:
    speak(code)
    for text, answer in answers.items():
        with pytest.raises(MoveError, match=re.escape(answer)):
            read_human_move(chess.Board(fen), text)


@pytest.mark.parametrize("code", spoken_languages())
@pytest.mark.parametrize("is_own", [False, True])
def test_every_move_can_be_typed_as_it_is_shown(code: str, is_own: bool) -> None:
    """With English letters or the language's own; English ones may be the other move's, too, which is asked then."""
    speak(code)
    shows_own_letters.set(is_own)
    may_ask = not is_own and own_letters().get("R", "R") != "R"
    for fen in (BOTH, ROOK, "8/8/3q4/8/2k5/8/1p1r4/R3K2R b - - 0 1"):
        board = chess.Board(fen)
        for move in board.legal_moves:
            with contextlib.suppress(MoveError) if may_ask else contextlib.nullcontext():
                assert read_human_move(board, shown_moves(board.san(move))) == move
