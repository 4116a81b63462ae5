"""How the commands of engines are cut into words."""

import shlex

import pytest

from engine.errors import ConfigError
from selfplay.matches.contestant import split_words

LINES = ["aino", "name=a 'cmd=/my engines/sf -x'", 'cmd="a b" option.X=1 # 2', "a\\ b c", "''"]


@pytest.mark.parametrize("text", LINES)
def test_words_are_those_of_a_shell(text: str) -> None:
    assert split_words("engine", text, windows=False) == shlex.split(text)


def test_a_windows_path_keeps_its_backslashes() -> None:
    text = r'cmd="C:\Program Files\sf\stockfish.exe" name=sf option.SyzygyPath=D:\tables'
    words = [r"cmd=C:\Program Files\sf\stockfish.exe", "name=sf", r"option.SyzygyPath=D:\tables"]
    assert split_words("engine", text, windows=True) == words


@pytest.mark.parametrize("windows", [True, False])
def test_an_open_quote_is_an_error(windows: bool) -> None:
    with pytest.raises(ConfigError, match="engine"):
        split_words("engine", "cmd='a", windows)
