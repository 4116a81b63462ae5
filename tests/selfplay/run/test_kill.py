"""A few kills of the campaign: `python -m benchmarks.kill_campaign` makes a hundred."""

from pathlib import Path

import pytest

from benchmarks.kill_campaign import KILL_WITHIN_S, Broken, Watch, campaign
from selfplay.records.replay import segment_path
from selfplay.run.folder import RunFolder


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes, on a machine that may have other work
def test_killed_run_ends_like_one_that_was_not(tmp_path: Path) -> None:
    row = campaign(tmp_path, kills=5, seed=3)
    assert row["equal"]
    assert sum(int(str(row[phase])) for phase in ("start", *KILL_WITHIN_S)) >= 5


def test_campaign_notices_a_changed_segment(finished: RunFolder) -> None:
    finished.close()
    watch = Watch()
    watch.look(finished.path)
    assert len(watch.games) == 6
    path = segment_path(finished.replay, 1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Broken, match="not what was published"):
        watch.look(finished.path)
    path.unlink()
    with pytest.raises(Broken, match="are gone"):
        watch.look(finished.path)
