"""Two programs at work in one folder of games, at random: nothing that was kept is lost, nothing
deleted comes back.
"""

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

import chess.pgn
import pytest

from tests.boards import games_in
from tests.new_process import ROOT, output_of, wait_until
from tests.uci.library.own_games import row_of, shelf_in, text_of, whites, write
from uci.game.game_file import REVIEWS, pgn_files, save_game
from uci.library import changes
from uci.library.game_files import line_key, review_path
from uci.library.games_folder import GamesFolder
from uci.library.own_names import OwnNames
from uci.web import games_mode
from uci.web.games_desk import GamesDesk

OPENINGS = ["e4 e5 Nf3", "d4 d5 c4", "c4 e5", "Nf3 d5 g3 c5", "f3 e5 g4 Qh4"]


class Visitor:
    """Presses the buttons of My games at random, and notes what must last."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.rng = random.Random(name)
        self.noted: dict[str, list[str]] = {"kept": [], "deleted": [], "names": [], "errors": []}
        self.told = SimpleQueue[dict[str, Any]]()
        self.count = 0
        self.shelf = shelf_in(folder, self.told.put)
        self.rows = list[dict[str, Any]]()
        self.kept_names = list[str]()
        delete = GamesFolder.delete

        def noting(games, key, text=""):
            white = games.game(key).headers["White"]
            says = delete(games, key, text)
            self.noted["deleted"].append(white)
            return says

        GamesFolder.delete = noting  # type: ignore[method-assign]

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
            self.shelf.ask(games_mode.name, name=self.kept_names.pop(), mine=False)
        else:
            self.kept_names.append(f"{self.name} {self.count} {self.rng.random()}")
            self.shelf.ask(games_mode.name, name=self.kept_names[-1], mine=True)

    def act(self):
        row = self.rng.choice(self.rows) if self.rows else {}
        deeds = [self.save, self.take_in, self.rename]
        asked = self.shelf.ask
        deeds += [
            partial(asked, one)
            for one in (GamesDesk.refresh, games_mode.progress, games_mode.names)
        ]
        listed = {
            "result": "",
            "side": "",
            "file": "",
            "line": self.rng.choice(["", "e2e4"]),
            "offset": 0,
        }
        listed |= {
            "text": self.rng.choice(["", "P1", "study"]),
            "order": self.rng.choice(["", "white", "-accuracy"]),
        }
        deeds += [lambda: asked(games_mode.find, **listed)] * 3
        deeds += [lambda: asked(games_mode.explore, board=chess.Board(), side="", file="")]
        deeds += [lambda: asked(lambda shelf, games: shelf.puzzles.next("", "", 0, 5000))]
        deeds += [lambda: asked(lambda shelf, games: shelf.puzzles.answer())]
        if row:
            deeds += [lambda: asked(games_mode.delete, texts={row["key"]: row["text"]})] * 4
            deeds += [
                lambda: asked(games_mode.open_game, key=row["key"], ply=0),
                lambda: asked(games_mode.go_on, key=row["key"]),
            ]
            deeds += [lambda: asked(games_mode.review, key=row["key"])] * 2
        if self.rng.random() < 0.02:
            deeds = [partial(asked, games_mode.stop)]
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
    visitor.shelf.ask(GamesDesk.refresh)
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
def test_two_programs_lose_nothing_and_bring_nothing_back(tmp_path, games, seconds):
    (folder := tmp_path / "games").mkdir()
    whites = [f"P{number}" for number in range(games)]
    rows = [
        (white, "Me", f"2023.{1 + index % 12:02}.01", "1-0", OPENINGS[index % 5])
        for index, white in enumerate(whites)
    ]
    (folder / "many.pgn").write_text(
        text_of(rows, '[Site "somewhere in the world, so that it is long"]\n'), encoding="utf-8"
    )
    lines = "".join(
        f"(1. {'ab'[n % 2]}{3 + n % 2} {'cdefgh'[n % 6]}5 {{ line {n} }}) " for n in range(200)
    )
    (folder / "study.pgn").write_text(
        f'[White "study"]\n[Black "x"]\n\n1. e4 {lines} e5 *\n', encoding="utf-8"
    )
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
    expected = Counter([*whites, "study"]) + kept - deleted
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
    assert [
        path.name for path in folder.iterdir() if path.name.startswith((".import", ".upload"))
    ] == []


def finish(folder):
    """Let a last visit take in what the programs left at their end."""
    told = list[dict[str, Any]]()
    shelf: GamesDesk = shelf_in(folder, told.append)
    shelf.arrive()
    shelf.ask(GamesDesk.refresh)
    wait_until(
        lambda: not [*folder.glob(".import*")] and any(one["do"] == "games_read" for one in told)
    )
    shelf.close()
    shelf._worker._thread.shutdown()


SAVING = """
import sys
from pathlib import Path
from tests.boards import games_in
from uci.game.game_file import save_game
(game,) = games_in(Path(sys.argv[2]))
print("begun", flush=True)
save_game(game, Path(sys.argv[1]))
"""


def test_a_game_saved_while_another_is_deleted_was_lost(games, tmp_path, monkeypatch):
    """The board had said that it is saved, in the file that the deletion replaced. Now it waits."""
    (tmp_path / "other").mkdir()
    write(new := tmp_path / "other" / "new.pgn", ("Fay", "Gil", "2024.02.01", "1-0", "e4"))
    saving = list[subprocess.Popen[str]]()

    def slowly(data):
        command = [sys.executable, "-c", SAVING, str(tmp_path / "mine.pgn"), str(new)]
        saving.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        assert saving[0].stdout.readline() == "begun\n"
        time.sleep(0.5)
        return False

    monkeypatch.setattr(changes, "is_packed", slowly)
    games.delete(row_of(games, "Cleo")["key"])
    assert saving[0].communicate(timeout=100)[0] == ""
    games.refresh()
    assert whites(games) == ["Fay", "Dora", "Anna"]
    names = [game.headers["White"] for game in games_in(tmp_path / "mine.pgn")]
    assert names == ["Anna", "Dora", "Fay"]
