"""Label folders: the same bytes whatever happened on the way, and labels that are the teacher's."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.board.attacks import in_check
from engine.board.layout import KEY, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.errors import ConfigError, DataError, RunError
from engine.evaluation.material import MaterialEvaluator
from selfplay.main import main
from selfplay.records.label_folder import RECORD, LabelFolder, fields_of
from selfplay.records.packed import CALM, SOURCES, unpack_row
from selfplay.teachers.checking import composition, count_wrong_labels
from selfplay.teachers.draw_sources import ENDINGS, TREES, Games, Shares, games_of_sets, new_roots
from selfplay.teachers.labelling import LabelPlan, LabelRun, TreeNet, keys_of_rows

PLAN = LabelPlan(chunk_rows=500, filter_mib=1, unsettled_share=0.1, scored_share=0.1, tree_visits=80)
FILES = ("journal", "values.rows", "scored.rows", "settings.json")


@pytest.fixture(scope="module")
def roots():
    """Without games, or with some made of random moves."""
    return new_roots(games_of_sets([]))


@pytest.fixture(scope="module")
def roots_with_games(roots):
    rng, legal, moves, first = np.random.default_rng(2), np.zeros(218, np.uint16), [], [0]
    for _ in range(40):
        row = roots.start[0].copy()
        for _ in range(60):
            count = generate(row, legal)
            if not count:
                break
            moves.append(legal[rng.integers(count)])
            child = np.zeros(ROW_WORDS, np.uint64)
            make(row, moves[-1], child)
            row = child
        first.append(len(moves))
    keys = rng.integers(0, 1 << 63, 40).astype(np.uint64)
    starts = np.repeat(roots.start, 40, axis=0)
    return roots._replace(games=Games(starts, np.array(first), np.array(moves, np.uint16), keys))


@pytest.fixture(scope="module")
def tree_net():
    evaluator = MaterialEvaluator()
    yield TreeNet(evaluator, evaluator.name)
    evaluator.close()


def only(source: str) -> LabelPlan:
    """The plan with one source alone."""
    return replace(PLAN, shares=Shares(**dict.fromkeys(Shares.__dataclass_fields__, 0.0) | {source: 1.0}))


def label(
    folder: Path, net_file, net, roots, count: int, threads: int = 1, plan=PLAN, chunks: int = 1000, tree_net=None
) -> bool:
    """Label until `count`, or until about so many chunks are published."""
    run = LabelRun(folder, net_file, net, roots, plan, tree_net)
    last = run.published.chunks + chunks
    try:
        return run.run(count, threads, lambda share, text: None, lambda: run.published.chunks >= last)
    finally:
        run.close()


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def test_threads_and_interruptions_leave_no_trace(
    tmp_path, material_net_file, material_net, roots_with_games, tree_net
):
    common = material_net_file, material_net, roots_with_games, 8000
    assert label(tmp_path / "one", *common, tree_net=tree_net)
    assert label(tmp_path / "two", *common, threads=2, tree_net=tree_net)
    while not label(tmp_path / "cut", *common, chunks=1, tree_net=tree_net):
        pass
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "cut")


def test_what_a_killed_process_left_behind_the_journal_is_cut_off(tmp_path, material_net_file, material_net, roots):
    common = material_net_file, material_net, roots
    assert label(tmp_path / "whole", *common, 6000)
    assert label(tmp_path / "torn", *common, 3000)
    for name, torn in (("values.rows", 77), ("scored.rows", 5), ("journal", RECORD.size - 1)):
        with open(tmp_path / "torn" / name, "ab") as stream:
            stream.write(os.urandom(torn))
    LabelFolder(tmp_path / "torn").verify()
    assert label(tmp_path / "torn", *common, 6000)
    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")


def test_labels_are_the_teachers_and_no_position_comes_twice(
    tmp_path, material_net_file, material_net, roots_with_games, tree_net
):
    assert label(tmp_path, material_net_file, material_net, roots_with_games, 6000, tree_net=tree_net)
    labels = LabelFolder(tmp_path)
    labels.verify()
    assert count_wrong_labels(labels, material_net, 10_000) == 0
    for rows in (labels.values, labels.scored):
        keys = np.zeros(len(rows), np.uint64)
        assert keys_of_rows(np.ascontiguousarray(rows), np.zeros(ROW_WORDS, np.uint64), keys) == -1
        assert len(np.unique(keys)) == len(keys)
    found = composition(labels.values)
    assert 0.6 < found.calm / found.rows < 1.0
    assert all(found.sources[name] > 0 for name in Shares.__dataclass_fields__)
    row = np.zeros(ROW_WORDS, np.uint64)
    for packed in labels.values[fields_of(labels.values)["kind"] & CALM > 0][:500]:
        assert unpack_row(packed, row)
        assert not in_check(row)


def test_as_many_positions_get_scored_moves_as_asked_for(tmp_path, material_net_file, material_net, roots):
    plan = replace(PLAN, scored_share=1.0)
    assert label(tmp_path, material_net_file, material_net, roots, 2000, plan=plan)
    labels = LabelFolder(tmp_path)
    assert len(labels.scored) > 0.95 * len(labels.values)


def test_wrong_labels_are_found(tmp_path, material_net_file, material_net, random_net, roots):
    assert label(tmp_path, material_net_file, material_net, roots, 1000)
    assert count_wrong_labels(LabelFolder(tmp_path), random_net, 500) > 400


def test_positions_of_one_game_share_their_root(tmp_path, material_net_file, material_net, roots_with_games):
    plan = only("games")
    assert label(tmp_path, material_net_file, material_net, roots_with_games, 400, plan=plan)
    fields = fields_of(LabelFolder(tmp_path).values)
    assert set(fields["root"].tolist()) <= set((roots_with_games.games.keys >> np.uint64(48)).tolist())
    assert (fields["plies_left"] > 0).all()


def test_trees_give_positions_a_few_moves_from_those_of_games(
    tmp_path, material_net_file, material_net, roots_with_games, tree_net
):
    given = material_net_file, material_net, roots_with_games
    assert label(tmp_path / "trees", *given, 900, plan=only("trees"), tree_net=tree_net)
    rows = LabelFolder(tmp_path / "trees").values
    fields = fields_of(rows)
    assert (fields["kind"] & 15 == TREES).all()
    assert set(fields["root"].tolist()) <= set((roots_with_games.games.keys >> np.uint64(48)).tolist())
    games = set(keys_of_games(roots_with_games.games))
    keys = np.zeros(len(rows), np.uint64)
    assert keys_of_rows(np.ascontiguousarray(rows), np.zeros(ROW_WORDS, np.uint64), keys) == -1
    assert np.mean([int(key) in games for key in keys]) < 0.2
    with pytest.raises(ConfigError, match="games"):
        label(tmp_path / "none", *given, 900, plan=only("trees"))


def keys_of_games(games: Games) -> Iterator[int]:
    """Keys of all positions of the games."""
    for start, first, last in zip(games.starts, games.first, games.first[1:], strict=False):
        row = start
        yield int(row[KEY])
        for move in games.moves[first:last]:
            row, before = np.zeros(ROW_WORDS, np.uint64), row
            make(before, move, row)
            yield int(row[KEY])


def test_shares_are_named_like_the_sources_of_the_rows():
    assert tuple(Shares.__dataclass_fields__) == SOURCES


def test_endings_are_legal_and_small(tmp_path, material_net_file, material_net, roots):
    plan = only("endings")
    assert label(tmp_path, material_net_file, material_net, roots, 400, plan=plan)
    values = LabelFolder(tmp_path).values
    assert (fields_of(values)["kind"] & 15 == ENDINGS).all()
    assert max(int(word).bit_count() for word in values[:, 0]) <= 7


def test_sources_without_positions_are_refused(tmp_path, material_net_file, material_net, roots):
    plan = only("siblings")
    with pytest.raises(ConfigError, match="games"):
        label(tmp_path, material_net_file, material_net, roots, 400, plan=plan)


# ---- folders that are not as they were left ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory, material_net_file, material_net, roots):
    path = tmp_path_factory.mktemp("labels") / "labels"
    assert label(path, material_net_file, material_net, roots, 2000)
    return path


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for name in FILES:
        (to / name).write_bytes((folder / name).read_bytes())
    return to


def test_folder_of_other_settings_is_refused(folder, tmp_path, material_net_file, material_net, roots, tree_net):
    given = copied(folder, tmp_path / "a"), material_net_file, material_net, roots, 2500
    with pytest.raises(RunError, match="seed, tree_net"):
        label(*given, plan=replace(PLAN, seed=2), tree_net=tree_net)
    with pytest.raises(ConfigError, match="with a positive sum"):
        LabelPlan(shares=Shares(games=math.nan))


def test_shortened_and_changed_rows_are_found(folder, tmp_path):
    short = copied(folder, tmp_path / "short")
    os.truncate(short / "values.rows", 100)
    with pytest.raises(DataError, match="bytes by the journal"):
        LabelFolder(short)
    changed = copied(folder, tmp_path / "changed")
    data = bytearray((changed / "scored.rows").read_bytes())
    data[70] ^= 1
    (changed / "scored.rows").write_bytes(data)
    with pytest.raises(DataError, match="chunk 0"):
        LabelFolder(changed).verify()


def test_damaged_journal_is_refused(folder, tmp_path):
    damaged = copied(folder, tmp_path / "damaged")
    data = bytearray((damaged / "journal").read_bytes())
    data[10] ^= 1
    (damaged / "journal").write_bytes(data)
    with pytest.raises(DataError, match="record 0 is damaged"):
        LabelFolder(damaged)


# ---- the command ----------------------------------------------------------------------------------------------------

FLAGS = ("--chunk-rows", "300", "--filter-mib", "1", "--scored-share", "0.1", "--count", "9000")


def test_command_labels_and_checks(tmp_path, material_net_file, capfd):
    flags = ["teach", "--net", str(material_net_file), "--out", str(tmp_path / "labels")]
    assert main([*flags, *FLAGS, "--mixture", "endings=1", "book=2"]) == 0
    assert main([*flags, "--check", "500"]) == 0
    shown = capfd.readouterr().out
    assert "0 differ" in shown
    assert "book 6" in shown
    assert "endings 3" in shown
    assert main([*flags, *FLAGS, "--mixture", "castles=1"]) == 1


def labels_after_kills(folder: Path, net_file: Path, kills: int) -> list[bytes]:
    command = [sys.executable, "-m", "selfplay.main", "teach", "--net", str(net_file), "--out", str(folder), *FLAGS]
    chance = random.Random(kills)
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()  # it has begun to label
            time.sleep(chance.uniform(0.0, 0.5))
            process.send_signal(signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)
    return contents(folder)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_labelling_ends_with_the_same_bytes(tmp_path, material_net_file, kills):
    assert main(["teach", "--net", str(material_net_file), "--out", str(tmp_path / "whole"), *FLAGS]) == 0
    assert labels_after_kills(tmp_path / "killed", material_net_file, kills) == contents(tmp_path / "whole")
