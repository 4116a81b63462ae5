"""The text formats under fire: positions, games, test suites, openings, settings."""

import contextlib
import io
import zipfile

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.cli.option_forms import load_toml
from engine.errors import DataError, FenError
from engine.options import EngineOptions
from selfplay.data.pgn import read_pgn
from selfplay.matches.opening_book import load_book, load_openings
from selfplay.records.collect import collect
from selfplay.run.config import config_text, configured, default_config, read_toml
from selfplay.suites.epd import read_epd
from selfplay.suites.problem import read_puzzles
from tests.hardening.broken_files import Target
from tests.unit.board.board_positions import ODD_FENS, legal_codes
from uci.common.reading import board_at, read_every_game
from uci.protocol.position import PositionKeeper

CHESS960_FEN = "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9"
PUZZLES = """PuzzleId,FEN,Moves,Rating,Themes
two,8/1k6/6R1/7n/8/8/8/K2R4 b - - 0 1,b7a7 d1d7 a7a8 g6g8,1500,mate mateIn2
one,6k1/1p3ppp/8/8/8/8/5PPP/R4K2 b - - 0 1,b7b6 a1a8,900,mate
"""
EPD = """\
1k1r4/pp1b1R2/3q2pp/4p3/2B5/4Q3/PPP2B2/2K5 b - - bm Qd1+; id "BK.01";
3r1k2/4npp1/1ppr3p/p6P/P2PPPP1/1NR5/5K2/2R5 w - - bm d5; am g5; id "BK.02"; c0 "d5=100, f5=46, R1c2=1";
1kr5/3n4/q3p2p/p2n2p1/PppB1P2/5BP1/1P2Q2P/3R2K1 w - - c7 "f5 Bf2"; c8 "100 46"; id "STS: open.3";
r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1 bm e1g1 O-O-O; dm 3; id "castling (both)";
"""
PGN = """\
[Event "Fuzz"]
[Site "?"]
[Date "2024.??.??"]
[Round "1.2"]
[White "A, B"]
[Black "C \\"D\\""]
[Result "1-0"]
[WhiteElo "2500"]
[BlackElo "2400"]

1. e4 {a comment} e5 2. Nf3 (2. f4 exf4 (2... d5 3. exd5) 3. Nf3 $1) 2... Nc6 $2 3. Bb5 a6 ; to the end
4. Ba4 Nf6 5. O-O Be7 {[%clk 0:01:02] [%eval 0.3]} 6. Re1 b5 1-0

[Event "From a position"]
[FEN "4k3/P7/8/8/8/8/7p/4K3 w - - 0 1"]
[SetUp "1"]
[Result "1/2-1/2"]

1. a8=Q+ Kd7 2. Qb7+ Ke6 3. -- h1=N 1/2-1/2
"""
CHESS960_PGN = f"""\
[Event "Fischer"]
[Variant "Chess960"]
[SetUp "1"]
[FEN "{CHESS960_FEN}"]
[Result "*"]

9. Nf3 *
"""


def fen():
    """One position: by the board's reader, by `position fen`, and every accepted one in the move
    generator.
    """
    fens = (
        chess.STARTING_FEN,
        CHESS960_FEN,
        *ODD_FENS,
        chess.STARTING_FEN + " moves e2e4 e7e5 g1f3",
    )
    words = tuple(
        b"/ 8 w b KQkq - e3 0 1 99 p K k rnbqkbnr pppppppp moves e2e4 HAha a7a8q 0000 \xc2\xb2".split(
            b" "
        )
    )
    return Target("fen", ".fen", tuple(map(str.encode, fens)), read_fen, words)


def read_fen(path):
    text = path.read_bytes().decode(errors="replace")
    PositionKeeper().read(f"fen {text}", chess960=True)
    board = parse_fen(text.partition(" moves")[0], chess960=True)
    codes = legal_codes(row_from_board(board))
    assert len(codes) == board.legal_moves.count(), board.fen()
    with contextlib.suppress(FenError):  # Chess960 castling is none outside it
        parse_fen(text)


def pgn():
    """Games: as training data, as `aino analyse` and `aino annotate` take them, and as openings of
    a match.
    """
    words = tuple(
        b'( ) { } ; $1 $99999 1. 1... e4 O-O-O e8=Q -- Z0 @@@@ * 1-0 [FEN [SetUp [Variant "Atomic"] "] [% %eval '
        b'\n\n \\ \xff [%clk [Result "1-0"]\n [Event "'.split(b" ")
    )
    return Target(
        "pgn",
        ".pgn",
        tuple(map(str.encode, (PGN, CHESS960_PGN, PGN + CHESS960_PGN))),
        read_pgns,
        words,
    )


def read_pgns(path):
    for entry in read_every_game(path):
        if not entry.start_fault:  # nobody plays or writes the others
            board_at(entry.game)
            str(entry.game)
    with contextlib.suppress(DataError):  # openings are of one kind of chess
        list(load_book(path))
    try:
        games, _ = collect(read_pgn(path))
    except DataError as error:
        if path.name not in str(error):
            raise AssertionError(f"no file named in: {error}") from error
    else:
        assert np.isfinite(games.wdl.astype(np.float32)).all()


def epd():
    """Test suites and openings, a position a line."""
    words = tuple(
        b'bm am dm id c0 c7 c8 c9 ; " , = ! + # e.p. f5=100, Qd1+ 0-0 - 4 \n \0 e1g1 \xc2\xb2 "a=1,'.split(
            b" "
        )
    )
    samples = map(str.encode, (EPD, *EPD.splitlines()))
    return Target("epd", ".epd", tuple(samples), read_epds, words)


def read_epds(path):
    for problem in read_epd(path):
        problem.accepts(next(iter(problem.board().legal_moves), chess.Move.null()), None)
    load_openings(path)
    list(load_book(path))


def puzzles():
    """Puzzles, a CSV row each."""
    words = (b'"', b",", b"\n", b"\xe9", b"\xef\xbb\xbf", b"e2e4", b"900", b"x" * 140_000)
    return Target("puzzles", ".csv", (PUZZLES.encode(),), read_puzzles, words)


def zipped_openings():
    """Openings in a zip archive, as collections are handed around."""
    words = (
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"openings.pgn",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
    )
    samples = tuple(
        _zipped("o.epd", EPD, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    )
    games = _zipped("o.pgn", "\n\n".join(PGN.split("\n\n")[:2]), zipfile.ZIP_DEFLATED)
    return Target("zip", ".zip", (*samples, games), lambda path: list(load_book(path)), words)


def _zipped(name, text, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo(name), text, method)
    return stream.getvalue()


TOML_WORDS = tuple(
    b'[ ] [[ ]] { } = , " """ \'\'\' \\u0000 \\U00110000 # \n true nan inf -inf 1979-05-27T07:32:00Z a.b. [a [a, {a= '
    b"\xff _ 0x 0b1 1e9".split(b" ")
)


def run_config():
    """The configuration of a training run."""
    return Target(
        "run-toml",
        ".toml",
        (config_text(default_config("16x1")).encode(), b'net = "16x1"\nseed = 3\n'),
        read_run,
        TOML_WORDS,
    )


def read_run(path):
    configured(read_toml(path))


def engine_options():
    """The engine options of `--config` and of the user's own file."""
    values = vars(EngineOptions()).items()
    texts = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
        for name, value in values
    ]
    return Target(
        "options-toml", ".toml", ("".join(texts).encode(), texts[0].encode()), load_toml, TOML_WORDS
    )
