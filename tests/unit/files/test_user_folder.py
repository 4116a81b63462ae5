"""The user's folders, where there is a home and where there is none."""

import os

import pytest

from engine.files.user_folder import user_folder
from uci.game.game_file import games_folder
from uci.protocol.serve import default_config

pwd = pytest.importorskip("pwd", reason="homes are found another way on Windows")


def _nobody(*arguments):
    raise KeyError("no such user")


def test_without_a_home_nothing_is_kept_in_a_folder_named_tilde(monkeypatch, tmp_path):
    """As in a container of another user: no HOME, and no entry in the table of users."""
    for name in "HOME XDG_DATA_HOME XDG_CONFIG_HOME XDG_CACHE_HOME".split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", _nobody)
    monkeypatch.chdir(tmp_path)
    assert os.path.expanduser("~") == "~"
    assert [user_folder(kind) for kind in ("cache", "config", "data")] == [None] * 3
    assert games_folder() == tmp_path / "aino" / "games"
    assert default_config() is None


def test_folders_are_in_the_users_home(monkeypatch):
    monkeypatch.setenv("HOME", "/elsewhere")
    # the standard has relative ones ignored: each folder would have games of its own
    for variable in ("", "data"):
        monkeypatch.setenv("XDG_DATA_HOME", variable)
        assert str(user_folder("data")).startswith(f"{os.sep}elsewhere{os.sep}")
