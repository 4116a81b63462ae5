"""`python -m tests.hardening`: what it runs, and that it tells good from bad."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from tests.hardening.__main__ import main
from tests.hardening.checks import Check, checks


@pytest.mark.parametrize("quick", [False, True])
def test_every_check_has_a_name_of_its_own_and_something_to_run(quick: bool, tmp_path: Path) -> None:
    table = checks(quick, 1, tmp_path)
    assert len({check.name for check in table}) == len(table)
    for check in table:
        assert importlib.util.find_spec(check.command[2]), check.name
        files = [word for word in check.command if word.startswith("tests/")]
        assert all(Path(name.partition("::")[0]).exists() for name in files), files


def test_the_table_tells_what_passed_and_its_faults_are_the_exit_status(tmp_path, monkeypatch, capsys):
    (tmp_path / "test_two.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    pytest_words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    two = Check("two", 0, "tests", [sys.executable, *pytest_words])
    bad = Check("bad", 3, "files", [sys.executable, "-c", "raise SystemExit(3)"])
    monkeypatch.setattr("tests.hardening.__main__.checks", lambda *words: [two, bad])
    words = ["--logs", str(tmp_path), "--json", str(tmp_path / "table.json")]
    assert main(words) == 1
    rows = json.loads((tmp_path / "table.json").read_text())
    told = [(row["count"], row["result"]) for row in rows]
    assert told == [(2, "good"), (3, "exit status 3, see bad.log")]
    assert main([*words, "--only", "two"]) == 0
    with pytest.raises(SystemExit):
        main([*words, "--only", "c"])
    assert "unknown: c" in capsys.readouterr().err
