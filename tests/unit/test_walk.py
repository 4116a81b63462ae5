"""How far a reader walks through the files who follows one `go`, one move on the web board, a
generation of games or a pretraining (docs/design.md).
"""

import asyncio
import io
import json
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import chess
import numpy as np
import pytest

from engine.options import EngineOptions
from engine.player import Engine
from selfplay.run.folder import RunFolder
from selfplay.run.phases import run_generations
from tests.boards import random_game
from tests.selfplay.conftest import aino_train, pgn_of
from tests.selfplay.run.crews import TINY, never
from uci.game.level import NodesLevel
from uci.game.timed_game import Setup
from uci.protocol.session import Session
from uci.protocol.words import Writer
from uci.web.board_session import Services
from uci.web.dispatch import Dispatcher
from uci.web.engine_service import EngineService

__all__ = ["aino_train"]
ROOT = Path(__file__).parents[2]
PACKAGES = tuple(str(ROOT / name) for name in ("engine", "uci", "selfplay"))
MOST_FILES, MOST_CALLS = 24, 300
MOST_WEB_FILES, MOST_WEB_CALLS = 40, 600
MOST_GENERATION_CALLS = {"sparse-128": 38_000, "16x1": 140_000}
MOST_PRETRAINING_FILES, MOST_PRETRAINING_CALLS = 80, 11_000


@contextmanager
def counted(calls):
    """Counts the calls in each file of the project meanwhile, on all threads that begin."""

    def note(frame, event, argument):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(PACKAGES):
            calls[path.removeprefix(str(ROOT))] += 1

    before = sys.getprofile(), threading.getprofile()
    sys.setprofile(note)
    threading.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before[0])
        threading.setprofile(before[1])


def assert_few(calls, file_seen, most_files, most_calls):
    assert calls[file_seen] > 5
    assert len(calls) <= most_files, dict(calls)
    assert calls.total() <= most_calls, calls


def test_one_go_leads_through_few_files():
    """There were 37 and 696 calls: once per root move one crossed report, root, convert and result."""
    searches = []
    session = Session(Writer(io.StringIO()), EngineOptions(hash_mib=16, threads=2))
    for _ in range(5):
        session.handle("ucinewgame")
        session.handle("position startpos moves e2e4 e7e5")
        searches.append(Counter())
        with counted(searches[-1]):
            session.handle("go nodes 100")
            session._job.join()
    session.handle("quit")
    session._close()
    # The first ones are cold; on a busy machine a search looks at the clock more often.
    calls = min(searches, key=Counter.total)
    assert_few(calls, "/engine/search/report.py", MOST_FILES, MOST_CALLS)


def test_one_move_on_the_web_board_leads_through_few_files(tmp_path):
    """There were 43 and 942 calls: each setting of a level checked all of the engine's options."""
    moves = []

    async def play(folder):
        messages = asyncio.Queue()
        engine = EngineService(lambda: Engine(EngineOptions(hash_mib=16, threads=1)))
        setup = Setup(levels=dict.fromkeys(chess.COLORS, NodesLevel(100)))
        services = Services(engine, lambda: None, folder, folder / "games.pgn")
        board = Dispatcher(services, setup, messages.put_nowait)
        await engine.prepare()
        board.session.board_game.load(False)
        board.arrive()
        for uci in "e2e4 g1f3 f1c4 d2d3 b1c3 h2h3 a2a3".split():
            while not messages.empty():
                messages.get_nowait()
            moves.append(Counter())
            with counted(moves[-1]):
                board.receive(json.dumps({"do": "move", "uci": uci}))
                while (state := await messages.get())["do"] != "state" or state["thinking"]:
                    pass
        board.session.close()
        await engine.close()

    asyncio.run(play(tmp_path))
    calls = min(moves, key=Counter.total)
    assert_few(calls, "/engine/search/report.py", MOST_WEB_FILES, MOST_WEB_CALLS)


@pytest.mark.parametrize("net", MOST_GENERATION_CALLS)
def test_a_generation_of_eight_games_takes_few_calls(tmp_path, net):
    """Each process made boards and rows of 5,000 openings, of which eight games begin with four.
    With a tower 95,000 calls more looked for the parts of layers, into all attributes.
    """
    games = TINY["games"] | {"count": 8}
    for number in range(2):  # the first one loads kernels
        run = RunFolder(tmp_path / str(number), TINY | {"net": net, "games": games})
        run.ensure_first_network()
        calls = Counter()
        with counted(calls):
            assert run_generations(run, 1, never)
        run.close()
    assert calls["/selfplay/games/selfplay_game.py"] > 100, "the games were seen"
    assert calls.total() <= MOST_GENERATION_CALLS[net], calls


def test_a_pretraining_on_200_games_walks_less_than_a_hundred_calls_a_game(tmp_path, aino_train):
    """The share of the file that was read was asked for with each game."""
    rng = np.random.default_rng(3)
    games = [random_game(rng, 60) for _ in range(200)]
    (tmp_path / "games.pgn").write_text("".join(pgn_of(game, "1/2-1/2") for game in games))
    line = f"pretrain --data {tmp_path}/games.pgn --net sparse-128 --positions 256 --batch 64"
    for number in range(2):  # the first one loads kernels
        calls = Counter()
        with counted(calls):
            aino_train(line, f"--run {tmp_path}/{number} --out {tmp_path}/net.dit")
    assert_few(calls, "/selfplay/data/pgn.py", MOST_PRETRAINING_FILES, MOST_PRETRAINING_CALLS)
