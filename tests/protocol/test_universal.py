"""What GUIs and bots insist on, and every UCI engine must do; each test is one line of that
checklist.

Run against another engine with `AINO_TEST_ENGINE="command" pytest -m universal tests/protocol`.
Stockfish is run too where it is installed; what it does otherwise is listed in deviations.toml.
"""

import contextlib

import chess
import pytest

from tests.protocol.aino_process import START_S, EngineProcess
from tests.protocol.lines import best_move, play_line, scored

pytestmark = pytest.mark.universal

CROWDED = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
CASTLES = "fen 4k3/8/8/8/8/8/8/4K2R w K - 0 1"
POSITIONS = {
    "ordinary": "startpos moves e2e4 e7e5",
    "one legal move": "fen 7k/6pp/8/8/8/8/1q6/K7 w - - 0 1",
    "mated": "fen rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3",
    "stalemate": "fen 7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
}
SETTLE_S = 0.15  # long enough for a wrong answer to arrive
PROMPTLY_S = 60.0  # generous: what it must not do is wait for the search
UCI_WORDS = set("id option uciok readyok info bestmove copyprotection registration".split())
NAMES_THAT_CLIENTS_LOOK_FOR = (
    "Hash", "Threads", "Move Overhead", "SyzygyPath", "UCI_ShowWDL", "UCI_Chess960", "UCI_LimitStrength", "UCI_Elo",
    "MultiPV", "Ponder", "UCI_AnalyseMode", "UCI_Opponent", "Clear Hash",
)  # fmt: skip


@pytest.fixture
def engine(subject):
    """The shared process, at rest."""
    subject.process.send("stop", "isready")
    subject.process.read_until("readyok", PROMPTLY_S)
    return subject.process


@pytest.fixture
def fresh(subject):
    """A new process that was told nothing yet."""
    with EngineProcess(subject.command) as process:
        yield process


@contextlib.contextmanager
def option(engine, name, value, before):
    """An option set for a while."""
    engine.send(f"setoption name {name} value {value}")
    try:
        yield
    finally:
        engine.send(f"setoption name {name} value {before}")


@pytest.mark.parametrize("name", NAMES_THAT_CLIENTS_LOOK_FOR)
def test_option_that_clients_look_for_exists(subject, name):
    assert any(line.startswith(f"option name {name} type ") for line in subject.greeting)


def test_each_go_has_exactly_one_bestmove(engine):
    for command in ("nodes 30", "depth 1", "movetime 10", "wtime 100 btime 100"):
        engine.go("startpos", command)
        engine.send("stop")
    assert "bestmove" not in " ".join(engine.read_for(SETTLE_S))


def test_no_stop_is_lost(engine):
    for _ in range(10):
        engine.send("position startpos", "go infinite", "stop")
        engine.read_until("bestmove", PROMPTLY_S)
    engine.send("stop", "ponderhit", "stop")
    assert not engine.read_for(SETTLE_S)


@pytest.mark.parametrize("way", ["infinite stop", "ponder stop", "ponder ponderhit"])
@pytest.mark.parametrize("position", POSITIONS)
def test_no_bestmove_before_the_end_of_an_endless_search(engine, position, way):
    kind, ending = way.split()
    engine.send(
        f"position {POSITIONS[position]}",
        f"go {kind}" + " wtime 100 btime 100" * (kind == "ponder"),
    )
    assert "bestmove" not in " ".join(engine.read_for(SETTLE_S))
    engine.send(ending)
    engine.read_until("bestmove", PROMPTLY_S)


# A position, a `go`, and the moves that may answer it.
ANSWERS = {
    "a mate": ("fen 6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1", "mate 1", ("d1d8",)),
    "chosen moves": (f"fen {CROWDED}", "nodes 100 searchmoves a2a3 a2a4", ("a2a3", "a2a4")),
    "no move": (f"fen {CROWDED}", "nodes 100 searchmoves 0000", ("(none)",)),
    "castling": (CASTLES, "nodes 10 searchmoves e1g1", ("e1g1",)),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_move_is_one_that_was_asked_for(engine, case):
    position, command, moves = ANSWERS[case]
    assert best_move(engine.go(position, command)) in moves


@pytest.mark.parametrize(
    "clocks",
    [
        "wtime 1 btime 1",
        "wtime 0 btime 0",
        "wtime -500 btime -500 winc 0 binc 0",
        "wtime -100 btime 200 movestogo 1",
        "wtime 100",
        "btime 100",
        "winc 10 binc 10 wtime 50 btime 50 movestogo 40",
    ],
)
def test_clocks_may_be_negative_zero_or_for_one_side(engine, clocks):
    try:
        move = best_move(engine.go(f"fen {CROWDED}", clocks, PROMPTLY_S))
    except AssertionError:  # or its answer might come in the next test
        engine.send("stop")
        engine.read_until("bestmove", PROMPTLY_S)
        raise
    assert chess.Board(CROWDED).parse_uci(move)


def test_chess960_castling_is_king_takes_rook(engine):
    with option(engine, "UCI_Chess960", "true", "false"):
        lines = engine.go(CASTLES, "nodes 10 searchmoves e1h1")
    assert best_move(lines) == scored(lines)[-1].pv[0] == "e1h1"


@pytest.mark.parametrize("command", ["nodes 2000", "movetime 60", "movetime 1", "depth 3"])
def test_lines_are_whole_and_legal_and_the_last_belongs_to_the_best_move(engine, command):
    engine.send("setoption name Clear Hash")
    lines = engine.go(f"fen {CROWDED}", command)
    for line in scored(lines):
        assert set("depth seldepth multipv nodes nps tbhits time".split()) <= set(line.numbers)
        assert all(number.isdecimal() for number in line.numbers.values()), line
        assert line.score.split()[1].removeprefix("-").isdecimal()
        play_line(chess.Board(CROWDED), line.pv)  # raises for an illegal move
    assert scored(lines)[-1].pv[0] == best_move(lines)


def test_the_lines_of_multipv_are_of_one_depth_and_their_wdl_sums_to_a_thousand(engine):
    with option(engine, "MultiPV", "4", "1"), option(engine, "UCI_ShowWDL", "true", "false"):
        final = scored(engine.go(f"fen {CROWDED}", "depth 3"))[-4:]
    assert [line.numbers["multipv"] for line in final] == ["1", "2", "3", "4"]
    assert len({line.numbers["depth"] for line in final}) == 1
    assert len({line.pv[0] for line in final}) == 4
    assert [sum(line.wdl) for line in final] == [1000] * 4


def test_a_search_is_heard_and_hears_while_it_goes_on(engine):
    engine.send("position startpos", "go infinite")
    lines = []
    while not scored(lines):
        lines += engine.read_until("info", PROMPTLY_S)
    engine.send("isready")
    lines += engine.read_until("readyok", PROMPTLY_S)
    assert "bestmove" not in " ".join(lines)
    engine.send("stop")
    engine.read_until("bestmove", PROMPTLY_S)


def test_nothing_but_uci_is_said(subject, engine):
    lines = subject.greeting + engine.go("startpos", "nodes 50")
    assert {line.split(" ")[0] for line in lines} <= UCI_WORDS


@pytest.mark.parametrize("ending", ["quit", "end of input"])
def test_a_searching_process_ends_with_its_gui(fresh, ending):
    fresh.send("isready")
    fresh.read_until("readyok", START_S)
    fresh.send("go infinite")
    fresh.read_for(SETTLE_S)
    if ending == "quit":
        fresh.send("quit")
    else:
        fresh.close_input()
    lines = fresh.read_to_end(PROMPTLY_S)
    assert sum(line.startswith("bestmove ") for line in lines) == 1
    assert fresh.finish() == (0, "")
