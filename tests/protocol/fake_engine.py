"""An engine that does not search: it waits as told and plays the first legal move. Only the
protocol is tested.
"""

import io
import time
from dataclasses import replace

import chess

from engine.cli.option_forms import changes
from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.result import SearchInfo, SearchResult
from uci.protocol.session import Session
from uci.protocol.words import Writer

WAIT_S = 120.0  # a test that waits longer has failed


class FakeEngine:
    """Stands in for engine.Engine and remembers what it was told."""

    is_prepared = True

    def __init__(self, options):
        self.options = options
        self.board = chess.Board()
        self.limits = []
        self.calls = []
        self.fail = False

    def set_position(self, board):
        self.board = board.copy()

    def set_options(self, options):
        self.options = options

    def search(self, limits, on_info=None, job=None):
        self.limits.append(limits)
        job = job or SearchJob()
        if self.fail:
            raise RuntimeError("broken\non purpose")
        infos = [self._info(move, rank) for rank, move in enumerate(self._moves(limits), 1)]
        if on_info is not None:
            on_info(infos[:1])
        job.hold(limits)
        final = [replace(info, depth=2) for info in infos[: self.options.multi_pv]]
        return SearchResult(
            best_move=infos[0].pv[0], ponder_move=None, infos=final, children=[], nodes=1, time_ms=1
        )

    def start(self, limits, on_info=None):
        return SearchJob[SearchResult]().start(lambda job: self.search(limits, on_info, job))

    def _moves(self, limits):
        return limits.searchmoves or self.board.legal_moves

    def _info(self, move, rank):
        return SearchInfo(
            depth=1, seldepth=1, time_ms=1, nodes=1, nps=1000, hashfull=0, multipv=rank,
            score_cp=10, score_mate=None, wdl=(400, 300, 300), pv=[move],
        )  # fmt: skip

    def take_problems(self):
        return []

    def new_game(self):
        self.calls.append("new_game")

    def close(self):
        self.calls.append("close")


class Conversation:
    """A session with a fake engine, driven line by line."""

    def __init__(self, factory=FakeEngine, command_line=None):
        self.output = io.StringIO()
        self.engine = None
        demanded = changes(EngineOptions(), command_line or EngineOptions())
        self.session = Session(Writer(self.output), command_line, self._make, demanded)
        self._factory = factory

    def _make(self, options):
        self.engine = self._factory(options)
        return self.engine

    def say(self, *lines):
        for line in lines:
            self.session.handle(line + "\n")

    @property
    def lines(self):
        return self.output.getvalue().splitlines()

    def answers(self, word):
        """All lines that begin with a word."""
        return [line for line in self.lines if line.split(" ")[0] == word]

    def wait_for(self, word, count=1):
        """Waits until `count` lines begin with a word."""
        deadline = time.monotonic() + WAIT_S
        while len(self.answers(word)) < count:
            assert time.monotonic() < deadline, f"no {word!r} in {self.lines}"
            time.sleep(0.001)
        return self.answers(word)

    def infos(self):
        """The texts of all `info string` lines."""
        return [
            line.removeprefix("info string ")
            for line in self.lines
            if line.startswith("info string ")
        ]
