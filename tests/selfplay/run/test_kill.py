"""A few kills of the campaign: `python -m benchmarks.kill_campaign` makes a hundred."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.kill_campaign import KILL_WITHIN_S, Broken, Watch, campaign, place
from selfplay.records.replay import segment_path
from selfplay.run.phases import run_generations
from tests.selfplay.run.crews import never, open_run


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes, on a machine that may have other work
def test_killed_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    row = campaign(tmp_path, kills=5, seed=3)
    assert row["equal"]
    assert sum(int(str(row[phase])) for phase in ("start", *KILL_WITHIN_S)) >= 5


def test_place_of_a_run_killed_while_it_wrote_its_ledger(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    assert run_generations(run, 1, never)
    run.close()
    copy = tmp_path / "killed"
    with closing(sqlite3.connect(tmp_path / "run" / "ledger.sqlite", isolation_level=None)) as ledger:
        ledger.execute("PRAGMA cache_size = 1")  # pages reach the file before the change is complete
        ledger.execute("BEGIN")
        ledger.execute("DELETE FROM gates")
        ledger.execute("CREATE TABLE large AS SELECT zeroblob(1000000) AS zeros")
        shutil.copytree(tmp_path / "run", copy)  # the files as a kill would leave them now
        ledger.execute("ROLLBACK")
    assert (copy / "ledger.sqlite-journal").stat().st_size
    assert place(copy) == place(tmp_path / "run") == "promote"


def test_campaign_notices_a_changed_segment(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    assert run_generations(run, 1, never)
    run.close()
    watch = Watch()
    watch.look(tmp_path)
    assert len(watch.games) == 6
    path = segment_path(run.replay, 1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Broken, match="not what was published"):
        watch.look(tmp_path)
    path.unlink()
    with pytest.raises(Broken, match="are gone"):
        watch.look(tmp_path)
