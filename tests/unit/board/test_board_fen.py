"""What `parse_fen` refuses, each time with the field and the reason, and what it puts right."""

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import CASTLING, DOUBLE_PUSH, EN_PASSANT, KEY
from engine.errors import FenError
from tests.boards import table
from tests.unit.board.board_positions import ODD_FENS, chess960_start

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR"

LABELLED = (
    "FEN: {}", "fen {}", "position fen {}", "`{}`", '"{}"', " Position FEN={}", "'{}'", "“{}”", "({})", '[FEN "{}"]',
    'fen: "{}"', "3. {}", "* {}", "White to move: {}", "\u202a{}\u202c", "\ufeff{}",
)  # fmt: skip
PAGES = (
    "lichess.org/analysis/{}?color=black",
    "https://lichess.org/editor/standard/{}#12",
    "https://a.info/?fen={}&b=c",
)
# Text, the field to be named, words of the reason; `tests/protocol/bad_positions.txt` has the usual
# faults of ranks and squares.
MALFORMED = f"""
junk w - - 0 1 | placement | 'j' on rank 8
{START} | side | missing
rnbqkbnrpppppppp8888PPPPPPPPRNBQKBNR w KQkq - 0 1 | placement | rank 8 has 64 squares
rnbqkbnr/pppppppp/8//8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1 | placement | rank 5 has 0 squares
rnbqkbnr/pppppppp/٨/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1 | placement | on rank 6 is neither
"""
# Text, the same as it is read, words of the message.
PUT_RIGHT = f"""
# Castling.
rnbqkbnr/8/8/8/8/8/8/RNBQKBN1 w KQkq - 0 1 | rnbqkbnr/8/8/8/8/8/8/RNBQKBN1 w Qkq - 0 1 | 'K', but there is no
4k3/8/8/8/8/8/4K3/R6R w K - 0 1 | 4k3/8/8/8/8/8/4K3/R6R w - - 0 1 | 'K', but the king stands on e2
4k3/8/8/8/8/8/8/R3K3 w GQ - 0 1 | 4k3/8/8/8/8/8/8/R3K3 w Q - 0 1 | 'G', but there is no rook to castle with
# A king or rook that has moved in standard chess: no Chess960 start has both sides' rights.
r4rk1/8/8/8/8/8/8/4K3 w q - 0 1 | r4rk1/8/8/8/8/8/8/4K3 w - - 0 1 | the rook on a8, so Aino ignores it
r3k2r/8/8/8/8/8/8/R4K1R w KQkq - 0 1 | r3k2r/8/8/8/8/8/8/R4K1R w kq - 0 1 | the rook on a1, h1, so Aino
r2k3r/8/8/8/8/8/8/R3KR2 w kqQF - 0 1 | r2k3r/8/8/8/8/8/8/R3KR2 w Q - 0 1 | the rook on f1, a8, h8, so
# En passant.
{START} w KQkq e3 0 1 | {START} w KQkq - 0 1 | not on the rank
4k3/8/8/8/4N3/8/8/4K3 b - e3 0 1 | 4k3/8/8/8/4N3/8/8/4K3 b - - 0 1 | no pawn on e4
4k3/8/8/8/4P3/4n3/8/4K3 b - e3 0 1 | 4k3/8/8/8/4P3/4n3/8/4K3 b - - 0 1 | a piece on e3
# Clocks, and words after the position.
{START} w KQkq -; hmvc many; fmvn 8; | {START} w KQkq - 0 8 | 'many' is not a number
{START} w KQkq - ٣ 1 | {START} w KQkq - 0 1 | after the position
"""
PUT_RIGHT_CHESS960 = """
rk5r/8/8/8/8/8/8/1K6 w Q - 0 1 | rk5r/8/8/8/8/8/8/1K6 w - - 0 1 | 'Q', but there is no rook to castle with
4k3/8/8/8/8/8/8/RR2K3 w AB - 0 1 | 4k3/8/8/8/8/8/8/RR2K3 w Q - 0 1 | 'B' names a second rook on the same side
"""


def refused(text):
    with pytest.raises(FenError) as caught:
        parse_fen(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("", "placement", "missing"),
        ("\x00", "placement", "neither a piece nor a digit"),
        *table(MALFORMED),
    ],
)
def test_malformed_fen_is_refused_with_its_field(text, field, reason):
    error = refused(text)
    assert error.field == field
    assert reason in str(error)
    assert f": {field}: " in str(error)
    assert repr(text)[1:-1] in str(error)


def test_endless_text_is_refused_in_a_short_message():
    for text in ("8/" * 100_000, "Q" * 100_000, "8" * 100_000):
        assert len(str(refused(text))) < 400
    notes = []
    for text in ("w " * 100_000, "w - - " + "9" * 100_000, f"w {'KQXY' * 100_000} {'e' * 100_000}"):
        parse_fen(f"{START} {text}", note=notes.append)
    assert 4 < len(notes) < 9
    assert max(map(len, notes)) < 400


# ---- put right -----------------------------------------------------------------------------------


HARMLESS = f"""
startpos | {START} w KQkq - 0 1
rnbqkbnr/pppppppp/44/8/8/11111111/PPPPPPPP/RNBQKBNR w KQkq - 0 1 | {START} w KQkq - 0 1
{START} w qkQK - 0 1 | {START} w KQkq - 0 1
{START} w KQ-kq - - 1 | {START} w KQkq - 0 1
{START} w KKHQ - 0 1 | {START} w KQ - 0 1
4k3/8/8/8/3pP3/8/8/4K3 b - E3 0 1 | 4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1
{START} b Kq - 3 0 | {START} b Kq - 3 1
{START} w 2 3 | {START} w - - 2 3
{START} w – — - − | {START} w - - 0 1
{START} w KQkq - 0012 0007 | {START} w KQkq - 12 7
# As in the book startpos_chess960.epd.
{START} w KQkq - 0 1; | {START} w KQkq - 0 1
{START} w KQkq - bm e4 | {START} w KQkq - 0 1
{START} w KQkq bm e4; hmvc 2 | {START} w KQkq - 2 1
"""


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        *table(HARMLESS),
        (f"  {START}\tw  KQkq -\n0 1 ", f"{START} w KQkq - 0 1"),
        (f"{START}\u00a0w\u00a0KQkq\u2002-\u3000 5\x0c6\r\n", f"{START} w KQkq - 5 6"),
        *((text.format(f"{START} w KQkq - 2 3"), f"{START} w KQkq - 2 3") for text in LABELLED),
        *(
            (page.format(f"{START} w KQ - 0 9".replace(" ", blank)), f"{START} w KQ - 0 9")
            for page in PAGES
            for blank in ("_", "%20", "+")
        ),
        (
            f"https://a.b/?c&fen={START} w KQ - 0 9".replace(" ", "+").replace("/", "%2F"),
            f"{START} w KQ - 0 9",
        ),
    ],
)
def test_harmless_deviations_are_put_right_without_a_word(text, normal):
    notes = []
    assert parse_fen(text, note=notes.append).fen() == normal
    assert not notes


@pytest.mark.parametrize(
    ("text", "normal", "mention", "chess960"),
    [
        *((*row, False) for row in table(PUT_RIGHT)),
        *((*row, True) for row in table(PUT_RIGHT_CHESS960)),
    ],
)
def test_what_is_put_right_is_said(text, normal, mention, chess960):
    notes = []
    board = parse_fen(text, chess960, notes.append)
    assert board.fen(en_passant="fen") == normal
    assert board.chess960 == chess960
    (note,) = notes
    assert mention in note


@pytest.mark.parametrize(
    "text",
    [
        "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w KQkq - 2 9",
        "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w KQkq - 0 1",  # number 0
        "4k3/8/8/8/8/8/8/R2K3R w KQ - 0 1",
        "4k1r1/8/8/8/8/8/8/4K1R1 w Kk - 0 1",
        "5k2/8/8/8/8/8/8/5KRR w G - 0 1",  # X-FEN: not the outermost
    ],
)
def test_rights_that_only_chess960_knows_make_a_position_of_chess960(text):
    notes = []
    board = parse_fen(text, note=notes.append)
    assert board.chess960
    assert board.fen() == text
    assert ["takes this for Chess960" in note for note in notes] == [True]
    assert parse_fen(board.fen(shredder=True)).fen() == text


@pytest.mark.parametrize(
    "clocks",
    [
        "hmvc 12; fmvn 30;",
        "; hmvc 12; fmvn 30;",
        "bm e4; fmvn 30; hmvc 12",
        '3 4; hmvc\t12; id "a; fmvn 9"; fmvn 30',
        "12 30; bm e4;",
    ],
)
def test_operations_of_epd_set_the_clocks(clocks):
    notes = []
    fen = parse_fen(f"{START} w KQkq - {clocks}", note=notes.append).fen()
    assert fen == f"{START} w KQkq - 12 30"
    assert not notes


def test_an_en_passant_square_without_a_capture_makes_no_other_position():
    fen = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq {} 0 1"
    noted, plain = (row_from_board(parse_fen(fen.format(square))) for square in ("e3", "-"))
    assert noted[KEY] == plain[KEY]
    assert noted[EN_PASSANT] == 0
    assert noted[DOUBLE_PUSH] == chess.BB_E3


@pytest.mark.parametrize(
    "text",
    [
        "4k3/8/8/8/1b5r/8/3n4/4K2r w - - 0 1",  # three checkers
        "8/8/8/1k6/3Pp3/8/8/4KQ2 b - d3 0 1",  # the check was there before the pawn moved
        "4k3/8/8/p7/p7/p7/p7/4K3 w - - 0 1",
        "bb2k3/b1b5/8/8/8/8/8/4K3 w - - 0 1",  # four bishops
        *ODD_FENS,
    ],
)
def test_odd_positions_are_read_as_they_are_written(text):
    assert parse_fen(text).fen(en_passant="fen") == text


# ---- castling in its three notations -------------------------------------------------------------


CASTLING_RIGHTS = """
r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1 | a1 h1 a8 h8
r3k2r/8/8/8/8/8/8/R3K2R w AHah - 0 1 | a1 h1 a8 h8
1r1k1r2/8/8/8/8/8/8/1R1K1R2 w KQkq - 0 1 | b1 f1 b8 f8
# X-FEN: the outermost
4k3/8/8/8/8/8/8/RR2K1RR w KQ - 0 1 | a1 h1
# an inner rook needs its file
4k3/8/8/8/8/8/8/RR2K1RR w GB - 0 1 | b1 g1
4k3/8/8/8/8/8/8/RR2K1RR w KB - 0 1 | b1 h1
# each side its own start
1r3k1r/8/8/8/8/8/8/R1K1R3 w EAhb - 0 1 | a1 e1 b8 h8
"""


@pytest.mark.parametrize(
    ("text", "rooks"),
    table(CASTLING_RIGHTS),
)
def test_castling_notations_name_these_rooks(text, rooks):
    row = row_from_board(parse_fen(text, chess960=True))
    assert int(row[CASTLING]) == int(
        chess.SquareSet(chess.parse_square(name) for name in rooks.split())
    )


@given(rng=st.randoms(use_true_random=False))
def test_chess960_positions_survive_all_three_notations(rng):
    board = chess960_start(rng)
    row = row_from_board(board).tolist()
    for text in (board.fen(), board.fen(shredder=True)):
        assert row_from_board(parse_fen(text, chess960=True)).tolist() == row


def test_impossible_en_passant_square_of_a_board_counts_for_nothing():
    board = chess.Board("4k3/8/8/4P3/8/8/8/4K3 w - - 0 1")
    plain = row_from_board(board).tolist()
    board.ep_square = chess.E6
    assert row_from_board(board).tolist() == plain
