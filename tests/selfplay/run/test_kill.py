"""A few kills of the campaign: `python -m tests.selfplay.run.kill_campaign` makes a hundred."""

import pytest

from tests.selfplay.run.kill_campaign import KILL_WITHIN_S, campaign


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes, on a machine that may have other work
def test_killed_run_ends_like_one_that_was_not(tmp_path):
    row = campaign(tmp_path, kills=5, seed=3)
    assert sum(row[phase] for phase in ("start", *KILL_WITHIN_S)) >= 5
