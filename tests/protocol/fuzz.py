"""Long conversations with the real engine: `python -m tests.protocol.fuzz --lines 100000 --seed 1`.

Engines hear commands in any order: every option of the table is set to good and bad values, to
files that are missing, empty or broken, and to nets of either kind: before the engine is loaded,
between searches and in the middle of them, and between positions of both kinds of castling. Between
them come words out of order, positions that must be refused, bytes that are no text and lines of a
megabyte. Every `go` owes one best move that is legal where it was asked for, and among its
`searchmoves`; no search may fail; after each batch the engine has the position and the kind of
evaluator that it should have. A failure is an AssertionError; the same seed sends the same lines.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import chess
import numpy as np

from engine.network.tower.tower_model import TowerConfig
from engine.nn import dit
from engine.options import OPTIONS
from tests.protocol.aino_process import AinoProcess
from tests.protocol.test_session import read_cases
from tests.unit.search.test_book import write_book

BATCH = 200  # lines between checks
CONVERSATION = 4_000  # lines to one process: every new one is set options before it is loaded
HANG_S = 280.0  # without a line is a hang, also on a busy machine
MARK = "?this is the end"  # no command: the answer to it says that all before was answered
LONG = 1 << 20  # bytes of the longest lines
COMMAND_WORDS = set(
    "uci isready setoption ucinewgame position go stop ponderhit debug register d eval help quit".split()
)
TOKENS = (
    "startpos fen moves e2e4 e7e5 0000 a7a8q wtime btime winc binc movestogo depth nodes movetime mate infinite ponder "
    "searchmoves name value Hash true -1 0 1 99999999999999999999 1e9 nan \x00 \x1b[2J ♔ 名 %s %n ' \" \\ ; | &"
).split(" ")
FINISHED = (
    "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
    "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3",
)
SEARCHES = (
    "nodes {n}", "nodes {n}", "movetime {n}", "depth 1", "mate 2 nodes {n}", "infinite", "ponder wtime 60 btime 60",
    "wtime {n}0 btime {n}0", "wtime 40 btime 40 winc 1 binc 1 movestogo 2", "wtime -{n} btime 0",
)  # fmt: skip
SMALL_TALK = (
    "stop", "stop", "ponderhit", "isready", "isready", "ucinewgame", "uci", "eval", "d",
    "go perft 1", "help", "register", "debug on", "debug off",
)  # fmt: skip
# a machine has to bear them all
MODEST = {"hash_mib": 64, "threads": 4, "move_overhead_ms": 30}
# No file here is a sparse net or has other heads: whether one that is asked for them is taken hangs on
# which came first.
MISFITS = ("sparse", "optimistic", "soft", "opponent", "q", "st")
NOISES = ("", "", "", "", " ?", " depth x")  # what may stand behind the limits of a search
BAD_VALUES = ("", "x", "-1000000", "1e99", "nan", "true false", "<empty>")


class Files:
    """What options may name: good files and others, in a folder of their own."""

    def __init__(self, folder):
        self.tower = folder / "tower.dit"
        self.broken = folder / "a broken one"
        self.empty = folder / "empty"
        self.book = folder / "book.bin"
        self.log = folder / "talk.log"
        self.missing = folder / "missing"
        dit.save(self.tower, TowerConfig.parse("16x1").build(np.random.default_rng(1)))
        self.broken.write_bytes(self.tower.read_bytes()[:-1])
        self.empty.touch()
        write_book(self.book, [(chess.Board(), "e2e4", 1)])

    def choices(self, field):
        """Values for an option that is a text."""
        bad = [str(self.missing), str(self.empty), str(self.broken), ""]
        return {
            "weights_file": ["<default>", str(self.tower), *bad[:3]],
            "book_file": [str(self.book), *bad],
            "syzygy_path": [str(self.empty.parent), *bad],
            "log_file": [str(self.log), str(self.missing / "log"), ""],
        }.get(field, ["", "none none computer X"])


class Mixer:
    """Makes the lines of one conversation from a seed, and knows what they must lead to."""

    def __init__(self, rng, files):
        self.rng, self.files = rng, files
        self.refused = False  # whether the last position was
        self.board = chess.Board()
        self.asked = []  # the position of each `go`, and its best moves
        self.evaluator = "auto"
        self.chess960 = False
        self.standard = True  # whether the position can be read without Chess960
        self.bad_positions = [command for command, _ in read_cases("bad_positions.txt")]
        self.kinds = {
            self.option: 45, self.position: 15, self.search: 20, self.small_talk: 20, self.noise: 20,
            self.bad_position: 10, self.shuffled_words: 10, self.long_line: 0.05,
        }  # fmt: skip

    def line(self):
        """The next line, with its end."""
        line = self.rng.choices(list(self.kinds), list(self.kinds.values()))[0]()
        return (line if isinstance(line, bytes) else line.encode()) + self.rng.choice(
            (b"\n", b"\n", b"\r\n", b" \n")
        )

    def small_talk(self):
        return self.rng.choice(SMALL_TALK)

    def search(self):
        """Any `go`; most are cut short by what follows."""
        allowed, restriction = some_moves(self.rng, self.board, 0.2)
        self.asked.append(
            (f"{self.board.fen()} {self.board.chess960}", [] if self.refused else allowed)
        )
        words = self.rng.choice(SEARCHES).format(n=self.rng.randrange(1, 40))
        return f"go {words}{self.rng.choice(NOISES)}{restriction}"

    def noise(self):
        """Bytes in which no command can be found."""
        data = self.rng.randbytes(self.rng.randrange(60)).replace(b"\n", b"").replace(b"\r", b"")
        return b"" if COMMAND_WORDS & set(data.decode("utf-8", "replace").split()) else data

    def shuffled_words(self):
        """Words of the protocol out of order, behind one that is no command."""
        return "?" + " ".join(self.rng.choices(TOKENS, k=self.rng.randrange(1, 12)))

    def bad_position(self):
        """A position that must not be taken."""
        self.refused = True
        return self.rng.choice(
            (*self.bad_positions, f"position startpos moves e2e4 {self.rng.choice(TOKENS[4:])}x")
        )

    def long_line(self):
        """A megabyte that must change nothing."""
        head = self.rng.choice(
            (b"?", b"position startpos moves ", b"position fen ", b"setoption name ", b"debug ")
        )
        self.refused = self.refused or head.startswith(b"position")
        return head + self.rng.choice((b"x", b"e2e9 ", b"\xff", b"8/")) * (LONG // 3)

    # ---- options ----

    def option(self):
        """An option of the table with some value, good or bad."""
        option = self.rng.choice(OPTIONS)
        if option.type == "button":
            return f"setoption name {option.name}"
        if option.type != "string" and self.rng.randrange(12) == 0:
            return f"setoption name {option.name} value {self.rng.choice(BAD_VALUES)}"
        value = self._value(option)
        self._note(option, value)
        return f"setoption name {option.name} value {value or '<empty>'}"

    def _value(self, option):
        rng = self.rng
        if option.type == "check":
            return rng.choice(("true", "false"))
        if option.type == "combo":
            return rng.choice([choice for choice in option.choices if choice not in MISFITS])
        if option.type == "string":
            return rng.choice(self.files.choices(option.field))
        least = option.bounds["least"]
        most = MODEST.get(option.field, option.bounds["most"])
        return str(
            rng.randint(int(least), int(most))
            if option.type == "spin"
            else rng.uniform(least, most)
        )

    def _note(self, option, value):
        """What the option must lead to."""
        if option.field == "evaluator":
            self.evaluator = value
        elif option.field == "chess960":
            self.chess960 = value == "true"
            if self.standard or self.chess960:
                self.board.chess960 = self.chess960

    def evaluators(self):
        """The evaluators that may be in use: of which kind `auto` is, the net decides."""
        return {"sparse", "hybrid", "network"} if self.evaluator == "auto" else {self.evaluator}

    # ---- positions ----

    def position(self):
        """A position; one that needs Chess960 is taken for it, whatever the option says."""
        kind = self.rng.randrange(8)
        if kind == 0:
            return self._place(chess.Board(self.rng.choice(FINISHED)), True, 0)
        if kind < 4:
            board = chess.Board.from_chess960_pos(self.rng.randrange(960))
            standard = (
                board.castling_rights == chess.BB_CORNERS and board.king(chess.WHITE) == chess.E1
            )
            return self._place(board, standard, self.rng.randrange(40))
        return self._place(chess.Board(), True, self.rng.randrange(40))

    def _place(self, board, standard, plies):
        """The command for a game from `board`."""
        fen = board.fen()
        moves = []
        board.chess960 = self.chess960 or not standard
        for _ in range(plies):
            legal = list(board.legal_moves)
            if not legal:
                break
            castling = [move for move in legal if board.is_castling(move)]
            move = self.rng.choice(castling or legal)
            moves.append(board.uci(move))
            board.push(move)
        self.board = board
        self.standard = standard
        self.refused = False
        root = "startpos" if fen == chess.STARTING_FEN and self.rng.randrange(2) else f"fen {fen}"
        return " ".join(["position", root, *(["moves", *moves] if moves else [])])


def some_moves(rng, board, restricted):
    """The moves that a `go` may choose from, and its words that say so: all legal ones, or for a
    share fewer.
    """
    legal = [board.uci(move) for move in board.legal_moves]
    if not legal or rng.random() >= restricted:
        return legal, rng.choice(("", "", "", " searchmoves"))
    allowed = rng.sample(legal, rng.randint(1, min(4, len(legal))))
    return allowed, " ".join([" searchmoves", *allowed])


def check_batch(engine, mixer, lines):
    """Sends lines and checks what was said, and what the engine has become."""
    first = len(mixer.asked)
    engine.send_bytes(b"".join(mixer.line() for _ in range(lines)))
    engine.send("ucinewgame", "isready", MARK)
    seen = read_to_mark(engine)
    best_moves = [line.split()[1] for line in seen if line.startswith("bestmove ")]
    # a search waits for kernels, `eval` does not
    engine.send("d", "position startpos", "go nodes 1")
    seen += engine.read_until("bestmove", HANG_S)
    engine.send("eval", MARK)
    seen += read_to_mark(engine)
    failures = [line for line in seen if " failed" in line]
    assert not failures, failures
    fens = [line for line in seen if line.startswith("Fen: ")]
    assert fens[-1] == f"Fen: {mixer.board.fen()}", (fens[-1], mixer.board.fen())
    mixer.board = chess.Board(chess960=mixer.chess960)
    mixer.standard = True
    mixer.refused = False
    names = [line.split()[1].rstrip(":") for line in seen if line.startswith("evaluator ")]
    assert names[-1] in mixer.evaluators(), (names[-1], mixer.evaluator)
    owed = mixer.asked[first:]
    assert len(best_moves) == len(owed), (len(best_moves), len(owed))
    for move, (position, allowed) in zip(best_moves, owed, strict=True):
        assert move in (allowed or ["(none)"]), (move, position, allowed)
    assert engine.process.poll() is None


def read_to_mark(engine):
    """The lines up to the answer to MARK."""
    seen = [""]
    while not seen[-1].endswith(MARK):
        seen += engine.read_until("info", HANG_S)
    return seen


def converse(lines, seed):
    """Send this many lines, with a new process every few thousand.

    Raises AssertionError when an engine misbehaves.
    """
    rng = random.Random(seed)
    begun = time.monotonic()
    searches = 0
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        for done in range(0, lines, CONVERSATION):
            mixer = Mixer(rng, files)
            end = min(done + CONVERSATION, lines)
            with AinoProcess() as engine:
                for start in range(done, end, BATCH):
                    check_batch(engine, mixer, min(BATCH, end - start))
                engine.send("quit")
                assert engine.finish() == (0, "")
            searches += len(mixer.asked)
            print(f"{end} lines, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{lines} lines, {searches} searches, {time.monotonic() - begun:.0f} s: no fault")


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    converse(arguments.lines, arguments.seed)


if __name__ == "__main__":
    main()
