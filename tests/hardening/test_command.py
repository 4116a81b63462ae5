"""`python -m tests.hardening`: what it runs, and that it tells good from bad."""

from tests.hardening.__main__ import main


def test_a_failed_check_is_the_exit_status(tmp_path, monkeypatch, capsys):
    (tmp_path / "test_bad.py").write_text("def test_a(): assert False\n")
    pytest_words = ["pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    monkeypatch.setattr(
        "tests.hardening.__main__.checks", lambda *words: {"good": ["this"], "bad": pytest_words}
    )
    assert main(["--logs", str(tmp_path)]) == 1
    good, bad = capsys.readouterr().out.splitlines()
    assert good.startswith("good: good, ")
    assert bad.startswith(f"bad: exit status 1, see {tmp_path / 'bad.log'}, ")
    assert main(["--logs", str(tmp_path), "--only", "good"]) == 0
