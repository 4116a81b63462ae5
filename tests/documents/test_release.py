"""What a release shows to a package index, and what a tag must be."""

import re
import runpy
import shutil
import tomllib

import pytest
from packaging.requirements import Requirement

from engine import __version__
from tests.documents.pages import LINK, ROOT, text_of

CHANGES = text_of("CHANGELOG.md")
ADDRESSES = runpy.run_path(str(ROOT / ".ci" / "addresses.py"))


def test_links_of_a_released_front_page_hold_away_from_the_repository(tmp_path):
    """Its picture stood behind a redirect, which package indexes do not follow."""
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    ADDRESSES["main"]("https://github.com/one/aino", "v9", tmp_path)
    targets = LINK.findall((tmp_path / "README.md").read_text(encoding="utf-8"))
    assert len(targets) == len(LINK.findall(text_of("README.md"))) > 10
    assert not [target for target in targets if not target.startswith("https://")]
    assert "https://raw.githubusercontent.com/one/aino/v9/docs/board.svg?sanitize=true" in targets
    assert "https://github.com/one/aino/blob/v9/docs/results.md#strength" in targets
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"]["Changelog"] == "https://github.com/one/aino/blob/v9/CHANGELOG.md"


def test_a_link_whose_words_stand_in_two_lines_is_one():
    """Neither the check of links nor a release saw it."""
    text = "[How\nto cite](CITATION.cff)"
    assert LINK.findall(text) == ["CITATION.cff"]
    assert ADDRESSES["absolute"](text, "https://here", "v9").endswith(
        "(https://here/blob/v9/CITATION.cff)"
    )


@pytest.mark.parametrize(
    ("heading", "tag", "missing"),
    [
        ("1.2.3", "v1.2.3", None),
        ("Unreleased", "v1.2.3", "CHANGELOG.md"),
        ("1.2.3", "v1.2.4", "engine/version.py"),
    ],
)
def test_a_tag_is_released_under_a_change_log_that_names_it(tmp_path, heading, tag, missing):
    """A release changes `__version__` and the one heading of the change log, and nothing else."""
    for name, old, new in (
        ("engine/version.py", f'__version__ = "{__version__}"', '__version__ = "1.2.3"'),
        ("CHANGELOG.md", re.findall(r"(?m)^## .*$", CHANGES)[0], f"## {heading}"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text_of(name).replace(old, new, 1), encoding="utf-8")
    check = ADDRESSES["check"]
    if missing is None:
        check(tag, tmp_path)
    else:
        with pytest.raises(SystemExit, match=missing):
            check(tag, tmp_path)


@pytest.mark.parametrize(
    "machine", [("darwin", "x86_64"), ("darwin", "arm64"), ("linux", "x86_64"), ("win32", "AMD64")]
)
def test_intel_macs_get_a_numba_with_wheels(machine):
    """Numba has no wheels for them from 0.63 on, so pip took the source, which needs LLVM."""
    environment = {
        "sys_platform": machine[0],
        "platform_machine": machine[1],
        "python_version": "3.13",
    }
    needs = map(Requirement, tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"])
    (numba,) = (
        need for need in needs if need.name == "numba" and need.marker.evaluate(environment)
    )
    assert numba.specifier.contains("0.62.1")
    assert numba.specifier.contains("0.68.1") == (machine != ("darwin", "x86_64"))
    assert not numba.specifier.contains("0.69"), "try it, and then allow it"
