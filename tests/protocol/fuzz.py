"""A long conversation with the real engine, full of nonsense: `python -m tests.protocol.fuzz --lines 1000000 --seed 1`.

Valid commands, broken ones, bytes that are no text and lines of a megabyte come in batches, in the middle of searches.
After each batch the engine has to be there, to have the position that a well-behaved one would have, and to have said
exactly one `bestmove` for each `go`. A failure is an AssertionError; the same seed repeats it.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable

import chess

from tests.protocol.aino_process import AinoProcess
from tests.protocol.test_process import read_cases

BATCH = 500  # lines between checks
HANG_S = 280.0  # without a line is a hang, also on a busy machine
LONG_EVERY = 5_000  # lines, on average, between those of a megabyte
LONG = 1 << 20  # bytes
MARK = "?this is the end"  # no command: the answer to it says that all before was answered
COMMAND_WORDS = set(
    "uci isready setoption ucinewgame position go stop ponderhit debug register d eval tree bench help quit".split()
)
TOKENS = (
    "startpos fen moves e2e4 e7e5 0000 a7a8q wtime btime winc binc movestogo depth nodes movetime mate infinite ponder "
    "searchmoves name value Hash true -1 0 1 99999999999999999999 1e9 nan \x00 \x1b[2J ♔ 名 %s %n ' \" \\ ; | &"
).split(" ")
HARMLESS_OPTIONS = (
    "MultiPV value {n}", "UCI_ShowWDL value true", "UCI_ShowWDL value false", "VerboseMoveStats value true",
    "VerboseMoveStats value false", "Ponder value true", "UCI_Opponent value none none computer X", "Clear Hash",
    "Hash value {n}", "MoveOverheadMs value {n}", "CPuct value 1.{n}",
)  # fmt: skip
BROKEN_OPTIONS = (
    "Hash value 0", "Hash value x", "Hash", "Threads value -3", "MultiPV value 9999999999999999999", "value",
    "Evaluator value x", "CPuct value nan", "UCI_ShowWDL value maybe", "SyzygyPath value /no/such/folder",
    "NoSuchOption value {n}",
)  # fmt: skip
SEARCHES = (
    "nodes {n}", "movetime {n}", "depth 1", "mate 1 nodes 20", "infinite", "ponder movetime {n}",
    "ponder wtime 50 btime 50", "wtime {n} btime {n} winc 1 binc 1", "wtime -{n} btime 0",
    "nodes 20 searchmoves e2e4 d7d5 a1a1", "nodes 5 searchmoves 0000",
)  # fmt: skip
SMALL_TALK = (
    "stop", "ponderhit", "isready", "d", "tree", "help", "uci", "register", "debug on", "debug off", "debug maybe",
    "eval", "go perft 1", "bench 1", "ucinewgame",
)  # fmt: skip


class Fuzzer:
    """Makes lines from a seed, and knows what they must lead to."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.expected_fen = chess.STARTING_FEN
        self.searches = 0  # every one owes a best move
        self.refused = [command for command, _ in read_cases("bad_positions.txt")]
        self.kinds: dict[Callable[[], str | bytes], int] = {
            self.noise: 30,
            self.shuffled_words: 15,
            self.refused_position: 15,
            self.position: 12,
            self.option: 8,
            self.search: 6,
            self.small_talk: 14,
        }

    def line(self) -> bytes:
        """The next line, with its end."""
        if self.rng.randrange(LONG_EVERY) == 0:
            return self.long_line() + b"\n"
        text = self.rng.choices(list(self.kinds), list(self.kinds.values()))[0]()
        data = text if isinstance(text, bytes) else text.encode()
        return data + self.rng.choice((b"\n", b"\n", b"\n", b"\r\n", b" \n"))

    # ---- nonsense ----

    def noise(self) -> bytes:
        """Bytes in which no command can be found."""
        data = self.rng.randbytes(self.rng.randrange(60)).replace(b"\n", b"").replace(b"\r", b"")
        return b"" if COMMAND_WORDS & set(data.decode("utf-8", "replace").split()) else data

    def shuffled_words(self) -> str:
        """Words of the protocol out of order, behind one that is no command."""
        return "?" + " ".join(self.rng.choices(TOKENS, k=self.rng.randrange(1, 12)))

    def refused_position(self) -> str:
        """A position that must not be taken."""
        if self.rng.randrange(2):
            return self.rng.choice(self.refused)
        return f"position startpos moves e2e4 {self.rng.choice(TOKENS[4:])}x"

    def long_line(self) -> bytes:
        """A megabyte that must change nothing."""
        head = self.rng.choice((b"?", b"position startpos moves ", b"position fen ", b"setoption name ", b"debug "))
        return head + self.rng.choice((b"x", b"e2e9 ", b"\xff", b"8/")) * (LONG // 3)

    # ---- sense ----

    def position(self) -> str:
        """A position that must be taken."""
        board = chess.Board()
        for _ in range(self.rng.randrange(12)):
            moves = list(board.legal_moves)
            if not moves:
                break
            board.push(self.rng.choice(moves))
        self.expected_fen = board.fen()
        if self.rng.randrange(2) or not board.move_stack:
            return f"position fen {board.fen()}"
        return "position startpos moves " + " ".join(move.uci() for move in board.move_stack)

    def option(self) -> str:
        """An option that changes nothing a `d` would show, or is refused."""
        choice = self.rng.choice(self.rng.choice((HARMLESS_OPTIONS, BROKEN_OPTIONS)))
        return f"setoption name {choice.format(n=self.rng.randrange(1, 9))}"

    def search(self) -> str:
        """Any `go`; most are cut short by what follows."""
        self.searches += 1
        words = self.rng.choice(SEARCHES).format(n=self.rng.randrange(1, 30))
        return f"go {words} {self.rng.choice(('', '', '', '?', 'depth x'))}"

    def small_talk(self) -> str:
        """Everything else."""
        return self.rng.choice(SMALL_TALK)


def check_batch(engine: AinoProcess, fuzzer: Fuzzer, lines: int) -> int:
    """Sends lines and checks what the engine has become; the number of best moves it said."""
    engine.send_bytes(b"".join(fuzzer.line() for _ in range(lines)))
    engine.send("ucinewgame", "isready", MARK, "d")
    seen = [""]
    while not seen[-1].endswith(MARK):
        seen += engine.read_until("info", HANG_S)
    seen += engine.read_until("Fen:", HANG_S)
    assert seen[-1] == f"Fen: {fuzzer.expected_fen}", (seen[-1], fuzzer.expected_fen)
    assert engine.process.poll() is None
    return sum(line.startswith("bestmove ") for line in seen)


def run(lines: int, seed: int, report: Callable[[str], None] = lambda text: None) -> None:
    """Sends this many lines to a new engine. Raises AssertionError when it misbehaves."""
    fuzzer, best_moves, begun = Fuzzer(seed), 0, time.monotonic()
    with AinoProcess("--evaluator", "material", "--hash-mib", "4", "--threads", "1") as engine:
        engine.ready()
        for done in range(0, lines, BATCH):
            best_moves += check_batch(engine, fuzzer, min(BATCH, lines - done))
            assert best_moves == fuzzer.searches, f"{best_moves} best moves for {fuzzer.searches} searches"
            if done % (100 * BATCH) == 0:
                report(f"{done} lines, {best_moves} searches, {time.monotonic() - begun:.0f} s")
        engine.send("quit")
        status, errors = engine.finish()
    assert status == 0
    assert "Traceback" not in errors, errors[-2000:]
    report(f"{lines} lines, {best_moves} searches, {time.monotonic() - begun:.0f} s: no fault")


def command(run: Callable[[int, int, Callable[[str], None]], None], documentation: str) -> int:
    """The command line of a fuzzer: how many lines it sends, and the seed."""
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    run(arguments.lines, arguments.seed, lambda text: print(text, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
