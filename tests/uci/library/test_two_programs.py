"""Two programs at work in one folder of games."""

import contextlib
import subprocess
import sys
import time

from tests.boards import games_in
from tests.new_process import ROOT, running
from tests.uci.library.own_games import FAY, row_of, whites, write
from uci.library import changes
from uci.library.own_names import OwnNames

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


def test_names_that_two_programs_note_are_both_kept(tmp_path):
    first = OwnNames(tmp_path)
    second = OwnNames(tmp_path)
    first.change("Anna", True)
    second.change("Ben", True)
    assert OwnNames(tmp_path).told == ["Anna", "Ben"]
