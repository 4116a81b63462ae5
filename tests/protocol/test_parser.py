"""UCI words to values and back, and the lines of VerboseMoveStats, without an engine."""

import contextlib

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, FenError
from engine.search.result import RootMove, SearchResult
from engine.search.tree.root import RootPosition
from tests.boards import moves_in
from uci.protocol import words
from uci.protocol.answer import move_stats

COMMANDS = ("uci", "go", "debug")
KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  go   depth 3  \r\n", ("go", "depth 3")),
        ("joho debug on", ("debug", "on")),
        ("\tjoho\t \tgo\tdepth\t3", ("go", "depth\t3")),
        ("", ("", "")),
        ("hello world", ("", "")),
        ("UCI", ("", "")),
    ],
)
def test_split_command_skips_unknown_words(line, expected):
    assert words.split_command(line, COMMANDS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name Hash value 64", ("Hash", "64")),
        ("name Move Overhead value 100", ("Move Overhead", "100")),
        ("name Clear Hash", ("Clear Hash", None)),
        (
            "name WeightsFile value /a  folder/net value.dit",
            ("WeightsFile", "/a  folder/net value.dit"),
        ),
        (r'name BookFile value "C:\my books\a.bin" ', ("BookFile", r"C:\my books\a.bin")),
        ("name SyzygyPath value ", ("SyzygyPath", "")),
        ("name value value 3", ("value", "3")),
    ],
)
def test_setoption_takes_words_with_spaces(text, expected):
    assert words.parse_setoption(text) == expected


def test_searchmoves_end_where_no_move_stands():
    command = words.parse_go("searchmoves e2e4 d2d4 nodes 10 ponder")
    assert command.searchmoves == ("e2e4", "d2d4")
    assert command.numbers == {"nodes": 10}
    assert command.ponder
    assert words.parse_go("searchmoves 0000").searchmoves == ("0000",)


@pytest.mark.parametrize("text", ["", "name", "Hash value 3", "value 3"])
def test_setoption_without_a_name_is_refused(text):
    with pytest.raises(ConfigError, match="setoption"):
        words.parse_setoption(text)


CLOCKS = {
    "white_time_ms": 60000, "black_time_ms": -5, "white_increment_ms": 1000, "black_increment_ms": 0, "moves_to_go": 12
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "numbers", "problems"),
    [
        ("wtime 60000 btime -5 winc 1000 binc 0 movestogo 12", CLOCKS, 0),
        ("nodes " + "9" * 40, {"nodes": 2**63 - 1}, 0),
        ("searchmoves nodes 10", {"nodes": 10}, 0),
        ("depth x nodes 5", {"nodes": 5}, 1),
        ("depth nodes 5", {"nodes": 5}, 1),
        ("nodes 5 depth", {"nodes": 5}, 1),
        ("fast nodes 5", {"nodes": 5}, 1),
        ("nodes 1e3 depth 2", {"depth": 2}, 1),
        ("movetime 1.e999 depth 2", {"depth": 2}, 1),
        # a side whose time is used up wants a move at once
        ("wtime 0 btime 5000 nodes 9", {"white_time_ms": 0, "black_time_ms": 5000, "nodes": 9}, 0),
        ("wtime -5 btime -5 depth 9", {"white_time_ms": -5, "black_time_ms": -5, "depth": 9}, 0),
        ("movetime -5", {"movetime_ms": -5}, 0),
    ],
)
def test_go_says_what_it_skips(text, numbers, problems):
    command = words.parse_go(text)
    assert command.numbers == numbers
    assert len(command.problems) == problems
    assert command.searchmoves is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("nodes 0 depth -3 movetime 0 mate 0 movestogo 0", ""),
        ("wtime 6000 btime 6000 movestogo 0", "wtime 6000 btime 6000"),
        (
            "wtime 6000 btime 6000 movestogo -1 movetime -1 nodes -1 depth 0",
            "wtime 6000 btime 6000",
        ),
        ("movetime 0 depth 0 nodes 700", "nodes 700"),
        ("wtime 899.5 btime 1000.0 winc 0.0 binc -0.3", "wtime 900 btime 1000 winc 0 binc 0"),
        ("movetime 0.25", "movetime 1"),
        ("wtime 0 btime 0 movestogo 0 depth 5 nodes 0 mate 0 movetime 0", "depth 5"),
        ("wtime 0 btime 0 movetime 300", "movetime 300"),
        ("infinite wtime 0 btime 0 movetime 0", "infinite"),
        ("perft -1 depth 3", "depth 3"),
        ("depth 0 perft 3", "perft 3"),
        ("nodes 5 winc -10 binc -1", "nodes 5 winc 0 binc 0"),
    ],
)
def test_numbers_below_one_mean_not_given(text, meant):
    """`movestogo 0` had meant one move to go, which took nine tenths of the clock; a clock with
    decimals, none.
    """
    assert words.parse_go(text) == words.parse_go(meant)


BOUNDED = ("wtime 1", "btime 1", "movetime 1", "nodes 1", "depth 1", "mate 1")
BOUNDLESS = ("", "infinite", "searchmoves e2e4", "winc 100 binc 100", "ponder", "movestogo 4")


@pytest.mark.parametrize("text", [*BOUNDED, *BOUNDLESS])
def test_go_without_a_bound_is_infinite(text):
    assert words.parse_go(text).infinite == (text in BOUNDLESS)


@given(st.text())
def test_any_text_is_parsed_or_refused_by_a_typed_error(text):
    assert words.split_command(text, COMMANDS)[0] in {"", *COMMANDS}
    assert isinstance(words.parse_go(text), words.GoCommand)
    with contextlib.suppress(FenError):
        assert isinstance(words.parse_position_command(text), words.PositionCommand)
    with contextlib.suppress(ConfigError):
        assert words.parse_setoption(text)[0]


@pytest.mark.parametrize(
    ("move", "chess960", "shown"),
    [("e1g1", False, "e1g1"), ("e1g1", True, "e1h1"), ("e1h1", False, "e1g1")],
)
def test_castling_is_written_as_the_variant_wants(move, chess960, shown):
    board = chess.Board(KIWIPETE, chess960=chess960)
    assert words.format_moves(moves_in(f"{move} h3g2"), board) == [shown, "h3g2"]


VISITED = RootMove(
    chess.Move.from_uci("e2e4"), visits=56, prior=0.564, q=0.03279, draw=0.052, mate=None,
    policy_index=322, u=0.98514, s=1.01793, v=0.0337, moves_left=8.26,
)  # fmt: skip
UNVISITED = RootMove(
    chess.Move.from_uci("b1a3"), visits=0, prior=0.0004, q=-0.25, draw=0.0, mate=None,
    policy_index=34, u=0.00075, s=-0.24925,
)  # fmt: skip
ROOT = RootPosition(visits=57, q=0.03301, draw=0.061, v=0.0452, moves_left=9.18)
CASTLING = "4k3/8/8/8/8/8/8/4K2R w K - 0 1"


def result(*children):
    return SearchResult(children[0].move, None, [], list(children), 57, 1, ROOT)


def test_lines_are_those_of_lc0_least_visited_first():
    assert move_stats(result(VISITED, UNVISITED), chess.Board()) == [
        "info string b1a3  (34  ) N:       0 (+ 0) (P:  0.04%) (WL:  -.-----) (D: -.---) (M:  -.-) "
        "(Q: -0.25000) (U: 0.00075) (S: -0.24925) (V:  -.----)",
        "info string e2e4  (322 ) N:      56 (+ 0) (P: 56.40%) (WL:  0.03279) (D: 0.052) (M:  8.3) "
        "(Q:  0.03279) (U: 0.98514) (S:  1.01793) (V:  0.0337)",
        "info string node  (   2) N:      57 (+ 0) (P: 56.40%) (WL:  0.03301) (D: 0.061) (M:  9.2) "
        "(Q:  0.03301) (V:  0.0452)",
    ]


def test_proven_moves_are_marked():
    castle = RootMove(
        chess.Move.from_uci("e1g1"), visits=3, prior=1.0, q=1.0, draw=0.0, mate=1, policy_index=103
    )
    line = move_stats(result(castle), chess.Board(CASTLING, chess960=True))[0]
    assert line.startswith("info string e1h1  (103 ) N:       3 (+ 0) (P: 100.0%) ")
    assert line.endswith(" (T)")
    assert not move_stats(SearchResult(None, None, [], [], 0, 0), chess.Board())
