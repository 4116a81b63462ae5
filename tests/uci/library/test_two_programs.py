"""Two programs at work in one folder of games, at random: nothing that was kept is lost, nothing
deleted comes back.
"""

import contextlib
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.boards import games_in
from tests.new_process import ROOT, output_of, running, wait_until
from tests.uci.library.own_games import FAY, row_of, shelf_in, text_of, whites, write
from uci.game.game_file import REVIEWS, pgn_files
from uci.library import changes
from uci.library.changes import save_game
from uci.library.game_files import line_key, review_path
from uci.library.games_folder import GamesFolder
from uci.library.own_names import OwnNames
from uci.web import games_requests
from uci.web.games_service import GamesService

OPENINGS = ["e4 e5 Nf3", "d4 d5 c4", "c4 e5", "Nf3 d5 g3 c5", "f3 e5 g4 Qh4"]


class Visitor:
    """Presses the buttons of My games at random, and notes what must last."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.rng = random.Random(name)
        self.noted = {"kept": [], "deleted": [], "names": [], "errors": []}
        self.told = SimpleQueue[dict[str, Any]]()
        self.count = 0
        self.shelf = shelf_in(folder, self.told.put)
        self.rows = []
        self.kept_names = []
        delete = GamesFolder.delete

        def noting(games, keys):
            (key,) = keys
            white = games.catalogue.game(key).white
            deletion = delete(games, keys)
            if not re.search("not in the list|changed", " ".join(deletion.sentences)):
                self.noted["deleted"].append(white)
            return deletion

        GamesFolder.delete = noting

    def new_game(self):
        self.count += 1
        self.noted["kept"].append(f"{self.name}{self.count}")
        return text_of(
            [(f"{self.name}{self.count}", "Me", "2024.01.01", "1-0", self.rng.choice(OPENINGS))]
        )

    def save(self):
        folder = self.folder
        text = self.new_game()
        (folder.parent / f"{self.name}.pgn").write_text(text, encoding="utf-8")
        save_game(
            games_in(folder.parent / f"{self.name}.pgn")[0],
            folder / self.rng.choice(["a.pgn", "b.pgn", "many.pgn"]),
        )

    def take_in(self):
        upload = self.shelf.upload_path("lichess.pgn")
        upload.write_text(
            "\n".join(self.new_game() for _ in range(self.rng.randint(1, 4))), encoding="utf-8"
        )
        self.shelf.take_in(upload)

    def rename(self):
        if self.kept_names and self.rng.random() < 0.3:
            self.shelf.ask(games_requests.name, name=self.kept_names.pop(), mine=False)
        else:
            self.kept_names.append(f"{self.name} {self.count} {self.rng.random()}")
            self.shelf.ask(games_requests.name, name=self.kept_names[-1], mine=True)

    def act(self):
        row = self.rng.choice(self.rows) if self.rows else {}
        asked = self.shelf.ask
        listed = dict.fromkeys(("result", "side", "file", "line", "order", "unfolded"), "")
        listed["text"] = self.rng.choice(["", "P1"])
        deeds = [self.save, self.take_in, self.rename, partial(asked, GamesService.refresh)]
        deeds += [lambda: asked(games_requests.find, **listed, offset=0)] * 3
        if row:
            deeds += [lambda: asked(games_requests.delete, keys=[row["key"]])] * 4
            deeds += [lambda: asked(games_requests.open_game, key=row["key"], ply=0)]
            deeds += [lambda: asked(games_requests.review, key=row["key"])] * 2
        if self.rng.random() < 0.02:
            deeds = [partial(asked, games_requests.stop)]
        self.rng.choice(deeds)()
        self.shelf._worker.call(lambda games: None).result()
        while not self.told.empty():
            message = self.told.get()
            # so that they meet
            self.rows = message["games"][:12] if message["do"] == "games_found" else self.rows
            if message["do"] == "say":
                self.noted["errors"].append(message["text"])


def program(folder, name, seconds):
    """A second program's part."""
    visitor = Visitor(Path(folder), name)
    visitor.shelf.arrive()
    visitor.shelf.ask(GamesService.refresh)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end or visitor.count < 3 or not visitor.noted["deleted"]:
        visitor.act()
    visitor.shelf.close()
    visitor.shelf._worker._thread.shutdown()
    print(json.dumps(visitor.noted | {"names": visitor.kept_names}))


PROGRAM = (
    "import sys; from tests.uci.library.test_two_programs import program; program(*sys.argv[1:])"
)


@pytest.mark.parametrize(
    ("games", "seconds"),
    [(300, 2.0), pytest.param(10_000, 25.0, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="folders as on Unix")
def test_two_programs_agree_on_the_games_of_a_folder(tmp_path, games, seconds):
    (folder := tmp_path / "games").mkdir()
    whites = [f"P{number}" for number in range(games)]
    rows = [
        (white, "Me", "2023.01.01", "1-0", OPENINGS[index % 5])
        for index, white in enumerate(whites)
    ]
    write(folder / "many.pgn", *rows)
    with ThreadPoolExecutor(2) as programs:
        told = [
            programs.submit(output_of, PROGRAM, str(folder), name, str(seconds)) for name in "AB"
        ]
        noted = [json.loads(one.result().splitlines()[-1]) for one in told]
    finish(folder)
    kept, deleted = (
        Counter(name for one in noted for name in one[what]) for what in ("kept", "deleted")
    )
    found = [game for path in pgn_files(folder) for game in games_in(path)]
    left = Counter(game.headers["White"] for game in found)
    expected = Counter(whites) + kept - deleted
    assert max(deleted.values(), default=1) == 1, "deleted twice"
    assert (expected - left, left - expected) == (Counter(), Counter())
    assert {*(folder / REVIEWS).glob("*.json")} <= {
        review_path(folder, line_key(game)) for game in found
    }
    assert set(OwnNames(folder).all[1:]) == {
        name.casefold() for one in noted for name in one["names"]
    }
    unexpected = [
        text
        for one in noted
        for text in one["errors"]
        if not re.search("not in the list|has changed|file not found", text)
    ]
    assert unexpected == []
    assert sum(deleted.values()) > 0


def finish(folder):
    """Let a last visit take in what the programs left at their end."""
    told = []
    shelf = shelf_in(folder, told.append)
    shelf.arrive()
    shelf.ask(GamesService.refresh)
    wait_until(
        lambda: not [*folder.glob(".import*")] and any(one["do"] == "games_read" for one in told)
    )
    shelf.close()
    shelf._worker._thread.shutdown()


SAVING = """
import sys
from pathlib import Path
from tests.boards import games_in
from uci.library.changes import save_game
(game,) = games_in(Path(sys.argv[2]))
print("begun", flush=True)
save_game(game, Path(sys.argv[1]))
"""


def test_a_game_saved_while_another_is_deleted_is_kept(games, tmp_path, monkeypatch):
    """The board had said that it is saved, in the file that the deletion replaced. Now it waits."""
    (tmp_path / "other").mkdir()
    write(new := tmp_path / "other" / "new.pgn", FAY)
    command = [sys.executable, "-c", SAVING, str(tmp_path / "mine.pgn"), str(new)]
    with contextlib.ExitStack() as started:

        def slowly(*given):
            how = {"cwd": ROOT, "stdout": subprocess.PIPE, "text": True}
            saving = started.enter_context(running(command, **how))
            started.callback(lambda: saving.wait(100))
            assert saving.stdout.readline() == "begun\n"
            time.sleep(0.5)
            keep(*given)

        keep = changes._keep
        monkeypatch.setattr(changes, "_keep", slowly)
        games.delete([row_of(games, "Cleo")["key"]])
    games.refresh()
    assert whites(games) == ["Fay", "Dora", "Anna"]
    names = [game.headers["White"] for game in games_in(tmp_path / "mine.pgn")]
    assert names == ["Anna", "Dora", "Fay"]
