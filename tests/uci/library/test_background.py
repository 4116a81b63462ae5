"""Work on one's own games beside the board: imports and reviews go on where a program was killed."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

from engine.errors import DataError, StillCompilingError
from engine.native.locks import FileLock
from engine.player import Engine
from engine.search.limits import Limits
from tests.new_process import posix, wait_until
from tests.uci.library.own_games import lines_of, shelf_in, small_engine, wait_for_worker, whites
from uci.game.game_file import REVIEWS
from uci.library.game_files import review_files, review_path
from uci.library.review_queue import WISH, BackgroundReviews
from uci.library.worker import GamesWorker

IMPORTING = """
import os, signal, sys, time
from pathlib import Path
from queue import SimpleQueue
import uci.library.changes as changes
from tests.uci.library.own_games import shelf_in
changes.utf8_pieces = lambda stream: os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
shelf = shelf_in(folder)
upload = shelf.upload_path("lichess me.pgn")
upload.write_bytes((folder / "mine.pgn").read_bytes().replace(b"Anna", b"Hugo"))
shelf.take_in(upload)
time.sleep(60)
"""


@posix  # no SIGKILL
def test_an_import_that_was_killed_goes_on_at_the_next_start(games, tmp_path):
    assert (
        subprocess.run([sys.executable, "-c", IMPORTING, str(tmp_path)], check=False).returncode
        == -signal.SIGKILL
    )
    messages = []
    shelf = shelf_in(tmp_path, messages.append)
    shelf.arrive()
    wait_until(lambda: any(message["do"] == "games_read" for message in messages))
    shelf.close()
    games.refresh()
    assert sorted(whites(games)) == ["Anna", "Cleo", "Dora", "Hugo"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "lichess_me.pgn",
        "mine.pgn",
    ]


def arrived(shelf):
    shelf.arrive()
    wait_for_worker(shelf)


def test_imports_at_work_are_left_alone_by_the_next_page_and_a_second_program(tmp_path):
    """They were removed as what a killed program had left."""
    shelves = [shelf_in(tmp_path) for _ in range(3)]
    upload = shelves[0].upload_path("me.pgn")
    upload.touch()
    arrived(shelves[0])
    arrived(shelves[0])
    arrived(shelves[1])
    assert upload.exists()
    shelves[0].close()
    shelves[0]._worker._thread.shutdown()
    arrived(shelves[2])
    wait_until(lambda: not upload.exists())
    for shelf in shelves[1:]:
        shelf.close()


def reviews_in(folder, tell=lambda: None):
    return BackgroundReviews(GamesWorker(folder, print), small_engine, Limits(nodes=50), tell)


def wait_until_reviewed(reviews):
    wait_until(lambda: not reviews.state["left"])


@posix  # no links
def test_a_wish_may_vanish_during_a_look_at_the_wishes(tmp_path):
    (tmp_path / REVIEWS).mkdir()
    (tmp_path / REVIEWS / f"{'1' * 24}{WISH}").symlink_to("nowhere")
    (tmp_path / REVIEWS / f"{'0' * 24}{WISH}").touch()
    assert len(reviews_in(tmp_path)._wishes()) == 1


def test_two_programs_review_a_game_once(games, tmp_path):
    line = lines_of(games)[0]
    is_waiting = threading.Event()
    reviews = reviews_in(tmp_path, is_waiting.set)
    lock_of_another = FileLock(tmp_path / REVIEWS / ".reviewing")
    assert lock_of_another.try_acquire()
    reviews.add([line])
    assert is_waiting.wait(200)
    assert reviews.state == {"running": "", "share": 0.0, "left": 1, "problem": ""}
    lock_of_another.release()
    wait_until_reviewed(reviews)
    assert review_path(tmp_path, line).exists()


def test_wishes_that_a_program_left_are_fulfilled_by_the_next(games, tmp_path):
    lines = lines_of(games)
    for line in lines[:2]:
        (tmp_path / REVIEWS / f"{line}{WISH}").touch()
    reviews = reviews_in(tmp_path)
    reviews.begin()
    wait_until_reviewed(reviews)
    games.add_name("anna")
    games.refresh()
    assert games.catalogue.unreviewed() == lines[2:]
    ((game, facts),) = ((game, facts) for game, facts in games.catalogue.reviewed() if game.mine)
    assert 0 <= facts.accuracy[game.mine] <= 100
    assert len(facts.mistakes[game.mine]) == 3


def test_a_game_that_cannot_be_reviewed_stops_no_other(games, tmp_path):
    line = lines_of(games)[0]
    (wish := tmp_path / REVIEWS / f"{'0' * 24}{WISH}").touch()
    os.utime(wish, (1, 1))
    reviews = reviews_in(tmp_path)
    reviews.add([line])
    wait_until_reviewed(reviews)
    assert "not in the list" in reviews.problem
    assert review_path(tmp_path, line).exists()


def test_a_review_that_was_stopped_while_the_engine_compiled_is_still_wanted(
    games, tmp_path, monkeypatch
):
    """It was told as a problem of the game, whose wish was gone."""
    line = lines_of(games)[0]
    reviews = reviews_in(tmp_path)

    def compile_until_stopped(engine, limits, on_info, job):
        reviews.stop()
        raise StillCompilingError("no search yet, compiling")

    monkeypatch.setattr(Engine, "search", compile_until_stopped)
    reviews.add([line])
    wait_until(lambda: reviews._job is None)
    assert reviews.problem == ""
    assert reviews.state["left"] == 1


def test_reviews_analyse_at_full_strength_whatever_the_board_plays(games, tmp_path, monkeypatch):
    options = []

    def review(engine, *_rest, **_named):
        options.append(engine.options)
        raise DataError("enough")

    def weak_engine():
        return Engine(replace(small_engine().options, limit_strength=True, elo=600))

    monkeypatch.setattr("uci.library.review_queue.review_game", review)
    reviews = BackgroundReviews(GamesWorker(tmp_path, print), weak_engine, Limits(nodes=1))
    reviews.add(lines_of(games)[:1])
    wait_until_reviewed(reviews)
    assert options[0].analyse_mode
    assert not options[0].limit_strength


def test_a_wish_while_the_last_review_ends_is_fulfilled(games, tmp_path, monkeypatch):
    """Nothing ran any more where it came while the engine closed, or behind a stop."""
    lines = lines_of(games)
    reviews = reviews_in(tmp_path)
    leave = Engine.__exit__

    def leaving(engine, *error):
        if len(lines) == 3:
            reviews.add([lines.pop()])
        elif len(lines) == 2:
            reviews.forget()
            reviews.add([lines.pop()])
        leave(engine, *error)

    monkeypatch.setattr(Engine, "__exit__", leaving)
    reviews.add(lines[:1])
    wait_until(lambda: len(lines) == 1)
    wait_until_reviewed(reviews)
    assert len(review_files(tmp_path)) == 3
