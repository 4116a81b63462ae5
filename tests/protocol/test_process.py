"""The real engine in a process of its own, as a GUI and as python-chess's driver see it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import chess
import chess.engine
import numpy as np
import pytest

from engine.network.tower import TowerConfig, build_tower
from engine.nn import dit
from tests.protocol.aino_process import COMMAND, ROOT, START_S, AinoProcess

MATERIAL = ("--evaluator", "material", "--hash-mib", "16")  # needs no net
CROWDED = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
PROMPTLY_S = 5.0  # generous: what it must not do is wait for the search


@pytest.fixture(scope="module")
def aino() -> Iterator[AinoProcess]:
    with AinoProcess(*MATERIAL) as process:
        process.ready()
        yield process


def go(aino: AinoProcess, board: chess.Board, command: str) -> tuple[chess.Move, list[str]]:
    """The best move and all lines of one search."""
    moves = " ".join(move.uci() for move in board.move_stack)
    aino.send(f"position fen {board.root().fen()}" + (f" moves {moves}" if moves else ""), command)
    lines = aino.read_until("bestmove")
    return chess.Move.from_uci(lines[-1].split()[1]), lines


def scored(lines: list[str]) -> list[dict[str, str]]:
    """The scored `info` lines as words and values; `pv` holds the whole line of play."""
    parsed = []
    for line in lines:
        words = line.split()
        if words[0] == "info" and "score" in words:
            head, _, pv = line.partition(" pv ")
            names = head.split()[1:]
            parsed.append({"pv": pv, "score": " ".join(names[names.index("score") + 1 :][:2])} | _pairs(names))
    return parsed


def _pairs(words: list[str]) -> dict[str, str]:
    names = ("depth", "seldepth", "multipv", "nodes", "nps", "hashfull", "time")
    return {name: words[words.index(name) + 1] for name in names}


# ---- starting and ending --------------------------------------------------------------------------------------------


def test_options_are_listed_and_ready_is_said() -> None:
    with AinoProcess(*MATERIAL) as process:
        process.send("uci")
        lines = process.read_until("uciok")
        assert any(line.startswith("option name Hash") for line in lines)
        assert process.ready()[-1] == "readyok"
        process.send("quit")
        assert process.finish() == (0, "")


@pytest.mark.parametrize("ending", ["quit", "end of input"])
def test_engine_ends_promptly_while_searching(ending: str) -> None:
    with AinoProcess(*MATERIAL) as process:
        process.ready()
        process.send("go infinite")
        time.sleep(0.3)
        start = time.monotonic()
        if ending == "quit":
            process.send("quit")
        else:
            process.close_input()
        lines = process.read_to_end()
        assert process.finish() == (0, "")
        assert time.monotonic() - start < PROMPTLY_S
        assert sum(line.startswith("bestmove ") for line in lines) == 1


def test_wrong_flag_value_is_an_error_of_the_command_line() -> None:
    done = subprocess.run([*COMMAND, "--hash-mib", "0"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "hash_mib" in done.stderr
    assert done.stdout == ""


# ---- searching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "go nodes 50",
        "go movetime 30",
        "go movetime 1",
        "go depth 2",
        "go wtime 1000 btime 1000 winc 10 binc 10",
        "go wtime 1 btime 1",
        "go wtime -100 btime -100 movestogo 1",
        "go wtime 0 btime 0",
        "go btime 500",
        "go nodes 40 searchmoves a2a3",
    ],
)
def test_every_go_gives_one_legal_move_and_a_score(aino: AinoProcess, command: str) -> None:
    board = chess.Board(CROWDED)
    move, lines = go(aino, board, command)
    assert board.is_legal(move)
    infos = scored(lines)
    assert infos, lines
    assert infos[-1]["pv"].split()[0] == move.uci()
    assert all(value.lstrip("-").isdigit() for name, value in infos[-1].items() if name not in ("pv", "score"))
    if "searchmoves" in command:
        assert move.uci() == "a2a3"


def test_principal_variations_are_legal_to_their_end(aino: AinoProcess) -> None:
    board = chess.Board(CROWDED)
    aino.send("setoption name MultiPV value 4")
    try:
        _, lines = go(aino, board, "go nodes 600")
    finally:
        aino.send("setoption name MultiPV value 1")
    final = scored(lines)[-4:]
    assert [info["multipv"] for info in final] == ["1", "2", "3", "4"]
    assert len({info["depth"] for info in final}) == 1
    for info in final:
        after = board.copy()
        for text in info["pv"].split():
            after.push_uci(text)  # raises for an illegal move


def test_mate_in_one_is_played_and_scored(aino: AinoProcess) -> None:
    board = chess.Board("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1")
    move, lines = go(aino, board, "go nodes 200")
    assert move.uci() == "d1d8"
    assert scored(lines)[-1]["score"] == "mate 1"


def test_wdl_is_shown_when_asked_for(aino: AinoProcess) -> None:
    aino.send("setoption name UCI_ShowWDL value true")
    try:
        _, lines = go(aino, chess.Board(), "go nodes 20")
    finally:
        aino.send("setoption name UCI_ShowWDL value false")
    words = next(line for line in reversed(lines) if line.startswith("info depth")).split()
    wdl = words[words.index("wdl") + 1 :][:3]
    assert sum(int(word) for word in wdl) == 1000


def test_infinite_search_answers_isready_and_stops_with_one_move(aino: AinoProcess) -> None:
    aino.send("ucinewgame", "position startpos", "go infinite", "isready")
    assert not any(line.startswith("bestmove") for line in aino.read_until("readyok"))
    time.sleep(0.2)
    aino.send("stop")
    assert aino.read_until("bestmove", PROMPTLY_S)
    aino.send("stop", "isready")
    assert aino.read_until("readyok") == ["readyok"]


def test_stop_right_after_go_is_not_lost(aino: AinoProcess) -> None:
    for _ in range(10):
        aino.send("position startpos", "go infinite", "stop")
        assert aino.read_until("bestmove", PROMPTLY_S)


@pytest.mark.parametrize("fen", ["7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "R5k1/5ppp/8/8/8/8/8/6K1 b - - 0 1"])
def test_finished_game_has_no_move(aino: AinoProcess, fen: str) -> None:
    aino.send(f"position fen {fen}", "go movetime 20")
    assert aino.read_until("bestmove")[-1] == "bestmove (none)"


def test_bytes_that_are_no_text_are_junk_like_any_other(aino: AinoProcess) -> None:
    aino.send_bytes(b"\xff\xfe\x80 go\xc3\n" + b"x" * 100_000 + b"\n\n\r\n")
    lines = aino.ready()
    assert lines[-1] == "readyok"
    assert all(line.startswith("info string") for line in lines[:-1])
    assert len(lines) == 3


def test_perft_command_counts(aino: AinoProcess) -> None:
    aino.send(f"position fen {CROWDED}", "go perft 2")
    lines = aino.read_until("Nodes")
    assert lines[-1] == "Nodes searched: 2039"
    assert len(lines) == 48 + 2


def test_eval_command_describes_the_position(aino: AinoProcess) -> None:
    aino.send("position startpos", "eval")
    assert aino.read_until("priors:")[0].startswith("evaluator material:")


# ---- nets -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net that knows nothing, but is a net."""
    path = tmp_path_factory.mktemp("net") / "a tiny net.dit"
    dit.save(path, build_tower(TowerConfig.parse("16x2"), np.random.default_rng(3)), {})
    return path


@pytest.mark.parametrize("evaluator", ["network", "hybrid", "auto"])
def test_net_named_by_option_plays(tiny_net: Path, evaluator: str) -> None:
    with AinoProcess("--hash-mib", "16") as process:
        process.send(f"setoption name WeightsFile value {tiny_net}", f"setoption name Evaluator value {evaluator}")
        assert all(line.startswith("info string compiling") for line in process.ready()[:-1])
        move, lines = go(process, chess.Board(), "go nodes 60")
        assert chess.Board().is_legal(move)
        assert scored(lines)
        process.send("position startpos", "eval")
        name = "hybrid" if evaluator == "auto" else evaluator
        assert process.read_until("priors:")[0].startswith(f"evaluator {name}:")


def test_damaged_net_is_reported_and_play_goes_on(tiny_net: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.dit"
    data = bytearray(tiny_net.read_bytes())
    data[-5] ^= 1
    damaged.write_bytes(data)
    with AinoProcess("--hash-mib", "16", "--weights-file", str(damaged)) as process:
        lines = process.ready()
        assert any(str(damaged) in line and "checksum" in line for line in lines)
        move, _ = go(process, chess.Board(), "go nodes 60")
        assert chess.Board().is_legal(move)


# ---- python-chess's driver ------------------------------------------------------------------------------------------


@pytest.fixture
def driver() -> Iterator[chess.engine.SimpleEngine]:
    with chess.engine.SimpleEngine.popen_uci([*COMMAND, *MATERIAL], timeout=START_S, cwd=ROOT) as engine:
        yield engine


def test_driver_plays_a_game_against_itself(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board()
    while not board.is_game_over(claim_draw=True) and len(board.move_stack) < 60:
        result = driver.play(board, chess.engine.Limit(nodes=60), info=chess.engine.INFO_SCORE)
        assert result.move is not None
        assert "score" in result.info
        board.push(result.move)
    assert len(board.move_stack) >= 10


def test_driver_plays_on_the_clock_and_ponders(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board()
    limit = chess.engine.Limit(white_clock=1, black_clock=1, white_inc=0.01, black_inc=0.01)
    for _ in range(6):
        result = driver.play(board, limit, ponder=True)
        assert result.move is not None
        board.push(result.move)
        board.push(result.ponder or next(iter(board.legal_moves)))


def test_driver_analyses_with_several_lines(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board(CROWDED)
    lines = driver.analyse(board, chess.engine.Limit(nodes=300), multipv=3)
    assert len(lines) == 3
    assert len({line["pv"][0] for line in lines}) == 3
    only = [chess.Move.from_uci("a2a3"), chess.Move.from_uci("a2a4")]
    restricted = driver.analyse(board, chess.engine.Limit(nodes=100), root_moves=only)
    assert restricted["pv"][0] in only


def test_driver_plays_chess960(driver: chess.engine.SimpleEngine) -> None:
    board = chess.Board.from_chess960_pos(518 - 201)
    for _ in range(8):
        result = driver.play(board, chess.engine.Limit(nodes=40))
        assert result.move is not None
        board.push(result.move)


def test_driver_plays_stockfish_on_the_clock(driver: chess.engine.SimpleEngine, stockfish: str) -> None:
    """The beginning of two games at 3+0.05, colours changed: every move legal, and no clock falls."""
    with chess.engine.SimpleEngine.popen_uci(stockfish, timeout=START_S) as opponent:
        opponent.configure({"UCI_LimitStrength": True, "UCI_Elo": opponent.options["UCI_Elo"].min})
        driver.ping()  # loads the engine before the clock runs
        for aino_color in chess.COLORS:
            board, clock = chess.Board(), {chess.WHITE: 3.0, chess.BLACK: 3.0}
            while not board.is_game_over(claim_draw=True) and len(board.move_stack) < 24:
                side = board.turn
                player = driver if side == aino_color else opponent
                limit = chess.engine.Limit(
                    white_clock=clock[chess.WHITE], black_clock=clock[chess.BLACK], white_inc=0.05, black_inc=0.05
                )
                start = time.perf_counter()
                move = player.play(board, limit, game=aino_color).move
                clock[side] += 0.05 - (time.perf_counter() - start)
                assert move is not None
                assert clock[side] > 0 or player is opponent
                board.push(move)


def test_driver_sees_the_options(driver: chess.engine.SimpleEngine) -> None:
    assert driver.options["Hash"].default == 256
    assert driver.options["Move Overhead"].type == "spin"
    driver.configure({"Hash": 32, "Threads": 1})
    assert driver.ping() is None
