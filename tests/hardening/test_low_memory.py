"""Little memory: a clear message, and the engine plays with what it gets."""

import os

import chess
import pytest

from tests.hardening import limited
from tests.protocol.aino_process import EngineProcess
from tests.protocol.lines import scored

MIB = 1 << 20
ENOUGH = 3000 * MIB  # of address space, with a small tree
TOO_LITTLE = 250 * MIB  # the compiler's library alone is larger
LARGEST_HASH = 65536


def engine(most_bytes: int, *flags: str, threads: int = 1) -> EngineProcess:
    command = ("uci", "--config", os.devnull, "--threads", threads, *flags)
    return EngineProcess(limited.command(*command, RLIMIT_AS=most_bytes))


def test_hash_that_does_not_fit_costs_the_hash_and_not_the_net() -> None:
    with engine(ENOUGH) as process:
        process.send(f"setoption name Hash value {LARGEST_HASH}")
        told = process.ready()
        assert any("Unable to allocate" in line and "Hash 256" in line for line in told), told
        process.send("position startpos", "eval")
        assert not process.read_until("priors:")[-2].startswith("evaluator material")
        assert scored(process.go("startpos", "nodes 50"))


@pytest.mark.parametrize("threads", [1, 2])
def test_hash_that_does_not_fit_any_more_is_refused_between_searches(threads: int) -> None:
    with engine(ENOUGH, "--evaluator", "material", "--hash-mib", "16", threads=threads) as process:
        process.ready()
        process.send(f"setoption name Hash value {LARGEST_HASH}")
        told = process.ready()
        assert any("Unable to allocate" in line and "keeping" in line for line in told), told
        lines = process.go("startpos", "nodes 5000")  # enough for all threads to be asked
        assert scored(lines)
        assert not any("search failed" in line for line in lines)


@pytest.mark.parametrize("most", [TOO_LITTLE, 512 * MIB])
def test_engine_without_room_for_its_compiler_was_busy_for_ever(most: int) -> None:
    with engine(most, "--hash-mib", "1") as process:
        process.send("uci")
        process.read_until("uciok")
        told = process.ready() + process.go("startpos", "nodes 50")
        assert chess.Board().is_legal(chess.Move.from_uci(told[-1].removeprefix("bestmove "))), "a plain move"
        assert any(line.startswith("info string") and "failed: " in line for line in told)
        process.send("quit")
        assert process.finish()[0] == 0
