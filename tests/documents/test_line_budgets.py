"""How many lines the project may have: what is built new is paid for by what goes."""

import pytest

from tests.documents.pages import ROOT

# Folders -> the most lines of Python in them. To raise a number, say why in a sentence behind it, in its own line.
BUDGETS = {
    ("engine", "selfplay", "uci"): 55_980,  # one line: each output of a review is held to its own mark, not to either
    ("tests",): 39_999,  # two lines: batch norm's losses in training and in use are both held to their bounds
}


@pytest.mark.parametrize("folders", BUDGETS, ids="+".join)
def test_the_lines_of_python_stay_within_their_budget(folders: tuple[str, ...]) -> None:
    lines = sum(path.read_bytes().count(b"\n") for name in folders for path in (ROOT / name).rglob("*.py"))
    assert lines <= BUDGETS[folders]
