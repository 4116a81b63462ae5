"""Promoted networks are measured against fixed anchors while the run goes on, by engines that cost
nothing.
"""

import errno
from dataclasses import replace

import pytest

from selfplay.matches.archive import read_game_rows
from selfplay.matches.contestant import Contestant
from selfplay.run import anchors
from selfplay.run.anchors import AnchorSeries, measuring, network_name, read_anchors
from selfplay.run.config import AnchorSettings
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import GateResult
from tests.selfplay.matches.rows import PLAYED, scripted
from tests.selfplay.run.crews import TINY, never

OPPONENTS = "stockfish:1500 material:50 first"
WANTED = {"games": 2, "opponents": OPPONENTS, "longest": 6, "cpu_share": 1.0, "nodes": 7}
PROMOTED = GateResult(True, True, (0, 0, 1, 1, 0), 1.0, 0.6, 70.0, 0.0, 140.0)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with networks 0, 1 and 2, of which 1 and 2 were candidates and 1 was promoted."""

    monkeypatch.setattr(anchors.shutil, "which", lambda command: None)  # no Stockfish
    monkeypatch.setattr(
        anchors, "network_contestant", lambda name, net, path: scripted(name, "random", 1)
    )
    monkeypatch.setattr(
        anchors, "engine_command", lambda words: scripted("rung", "random", 2).command
    )
    run = RunFolder(tmp_path, {**TINY, "anchors": WANTED})
    run.ensure_first_network()
    judge(run, 1)
    judge(run, 2, replace(PROMOTED, accepted=False))
    return run


def judge(run, number, verdict=PROMOTED):
    """A candidate that is the first network again, with its gate."""
    run.candidate(number).write_bytes(run.candidate(0).read_bytes())
    run.ledger.note_gate(number, verdict)


def games_of(run):
    return [(row.white, row.black) for row in read_game_rows(run.path / "anchors").values()]


def test_every_promoted_network_plays_its_games_even_after_a_stop(run):
    lines = []
    series = AnchorSeries(run, lines.append, never)
    assert not series.play(print, lambda: bool(games_of(run))), "stopped after the first game"
    begun = games_of(run)
    assert len(begun) == 1
    with measuring(run, lines.append, never) as finish:
        assert finish()
    played = games_of(run)
    assert played[:1] == begun
    assert len(played) == 2 * 2, "a rejected candidate is no network of the run"
    assert played[::2] == [pair[::-1] for pair in played[1::2]], "each opening with both colours"
    assert {pair[0] for pair in played[::2]} == {network_name(0, 7), network_name(1, 7)}
    assert any("not on the PATH, so without stockfish:1500" in line for line in lines)
    assert sum("generation 1 is at rung" in line for line in lines) == 1
    fit = read_anchors(run.path, run.config.anchors)
    assert fit.networks.keys() == {0, 1}
    assert fit.scale == "Elo above material:50"
    # was "another match"
    run.config = replace(run.config, anchors=replace(run.config.anchors, nodes=8, longest=4))
    assert AnchorSeries(run, lines.append, never).missing_games == 2 * 2, (
        "by networks that search other nodes"
    )


def test_the_next_game_is_found_without_reading_all_games_again(run):
    """With 800 networks, 3.6 s to 6 s passed between two games."""

    class Counted(dict):
        walks = 0

        def values(self):
            self.walks += 1
            return super().values()

    for number in range(3, 40):
        judge(run, number)
    series = AnchorSeries(run, print, never)
    series._archive.rows = rows = Counted()
    game = series.next_game()
    rows[0] = replace(PLAYED, white=game.first.name, black=game.second.name)
    series.finish(rows[0])
    assert series.missing_games == 2 * 39 - 1
    assert rows.walks < 10


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_files_of_networks_to_be_measured_are_kept(run):
    run.config = replace(run.config, keep_nets=1)
    for number in (3, 4):
        judge(run, number)
    AnchorSeries(run, print, never)
    run.remove_old_networks(4)
    networks = [number for number in range(5) if run.candidate(number).is_file()]
    assert networks == [0, 1, 3, 4]


def test_a_full_disk_ends_the_measuring_alone(run, monkeypatch):
    lines = []
    series = AnchorSeries(run, lines.append, never)
    monkeypatch.setattr(series, "play", full_disk)
    assert not anchors._play(series, lines.append, never)
    assert lines[-1].endswith("No space left on device; the run continues without measuring")


def test_games_wait_for_their_share_of_the_processors(run, monkeypatch):
    run.config = replace(run.config, anchors=replace(run.config.anchors, cpu_share=0.25))
    monkeypatch.setattr(anchors, "usable_cpus", lambda: 2)
    now = [100.0]
    monkeypatch.setattr(anchors, "uptime_s", lambda: now[0])
    monkeypatch.setattr(anchors.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    series = AnchorSeries(run, print, never)
    assert series.next_game() is not None
    assert now[0] == 100.0
    now[0] += 20.0
    series.finish(PLAYED)
    series.next_game()
    assert 140.0 <= now[0] < 142.0, (
        "20 s of one processor are half of the 40 s that two have meanwhile, times 0.25"
    )
    series.is_limited = False
    series.next_game()
    assert now[0] < 142.0


def test_next_games_are_against_the_anchor_that_tells_most(run):
    series = AnchorSeries(run, print, never)
    names = ("material:50", "stockfish:1350", "stockfish:1800", "stockfish:2600")
    series._anchors = [Contestant(name, ("engine",)) for name in names]

    def row(number, anchor, result):
        pair = (network_name(1, 7), anchor)
        white, black = pair if number % 2 == 0 else pair[::-1]
        return replace(PLAYED, number=number, white=white, black=black, result=result)

    opponents = []
    for pair, two in enumerate(
        [("1-0", "0-1"), ("1-0", "0-1"), ("1/2-1/2", "1/2-1/2"), ("0-1", "1-0")]
    ):
        opponents.append(series._opponent(1).name)
        for game in range(2):
            series._archive.add(row(2 * pair + game, names[pair], two[game]))
    assert opponents[1] == "stockfish:1350", (
        "until it has played one of them, nothing tells how far its levels are"
    )
    assert series._opponent(1).name == "stockfish:1800"


def test_a_run_that_cannot_be_measured_goes_on(run, monkeypatch):
    monkeypatch.setattr(anchors, "engine_command", lambda words: ("no-such-engine",))
    monkeypatch.setattr(
        anchors, "network_contestant", lambda name, net, path: Contestant(name, ("no-such-engine",))
    )
    lines = []
    with measuring(run, lines.append, never) as finish:
        assert finish()
    assert any("no-such-engine' does not start" in line for line in lines)


def test_a_run_without_anchors_starts_no_engine(run):
    run.config = replace(run.config, anchors=AnchorSettings())
    with measuring(run, print, never) as finish:
        assert finish()
    assert not (run.path / "anchors").exists()
