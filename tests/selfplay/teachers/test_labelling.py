"""Label folders: the same bytes whatever happened on the way, and labels that are the teacher's."""

import math
import os
from dataclasses import replace
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.selfplay_speed import random_positions
from engine.board.attacks import in_check
from engine.board.layout import KEY, ROW_WORDS
from engine.board.makemove import make
from engine.errors import ConfigError, DataError, RunError
from engine.evaluation.material import MaterialEvaluator
from engine.search.tree.arrays import MAX_DEPTH, ROOT_PLY
from selfplay.data.split import game_keys, position_keys, roots_of
from selfplay.records.label_folder import LabelFolder, composition, fields_of, keys_of_rows
from selfplay.records.packed import CALM, SOURCES, unpack_row
from selfplay.teachers import labelling, sample_sources
from selfplay.teachers.labelling import LabelPlan, LabelRun, TreeNet, sample_chunk
from selfplay.teachers.sample_sources import TREES, Shares, games_of_sets
from tests.boards import board_after
from tests.selfplay.teachers.relabelling import count_wrong_labels
from tests.unit.search.trees import engine, search_nodes, ways_to

PLAN = LabelPlan(
    chunk_rows=500, filter_mib=1, unsettled_share=0.1, scored_share=0.1, tree_visits=80
)
FILES = ("published.json", "values.rows", "scored.rows", "settings.json")


@pytest.fixture(scope="module")
def random_games():
    return random_positions(np.random.default_rng(2), games=40, plies=60)


@pytest.fixture(scope="module")
def tree_net():
    evaluator = MaterialEvaluator()
    yield TreeNet(evaluator, evaluator.name)
    evaluator.close()


@pytest.fixture(scope="module")
def label(material_net_file, material_net, random_games):
    """Labels a folder until it has `count` positions, or about so many more chunks."""
    games = games_of_sets([random_games])

    def run(folder, count, tree_net=None, threads=1, plan=PLAN, chunks=1000):
        run = LabelRun(folder, material_net_file, material_net, games, plan, tree_net)
        last = run.published.chunks + chunks
        return run.run(count, threads, print, lambda: run.published.chunks >= last)

    return run


def only(source):
    """The plan with one source alone."""
    return replace(
        PLAN, shares=Shares(**dict.fromkeys(Shares.__dataclass_fields__, 0.0) | {source: 1.0})
    )


def contents(folder):
    return [(folder / name).read_bytes() for name in FILES]


def test_neither_threads_nor_interruptions_leave_a_trace(tmp_path, label, tree_net):
    settings = {"count": 4000, "tree_net": tree_net}
    assert label(tmp_path / "one", **settings)
    assert label(tmp_path / "two", **settings, threads=2)
    while not label(tmp_path / "cut", **settings, chunks=1):
        pass
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "cut")


def test_what_a_killed_process_left_behind_the_totals_is_cut_off(tmp_path, label):
    killed = tmp_path / "killed"
    assert label(tmp_path / "whole", 6000)
    assert not label(killed, 6000, chunks=1)
    for name, torn in (("values.rows", 77), ("scored.rows", 5)):
        with open(killed / name, "ab") as stream:
            stream.write(os.urandom(torn))
    LabelFolder(killed).verify()
    assert label(killed, 6000)
    assert contents(killed) == contents(tmp_path / "whole")


@pytest.mark.parametrize("count", [1, 300, 1999])
def test_labels_end_at_the_count_with_every_source(tmp_path, label, tree_net, count):
    """They ended with the chunk, of which a labelling of 300 had tens of thousands."""
    assert label(tmp_path, count, tree_net=tree_net)
    labels = LabelFolder(tmp_path)
    labels.verify()
    assert len(labels.values) == count
    sources = composition(labels.values).sources
    assert count < 300 or all(sources[name] > 0 for name in SOURCES)


def test_labels_are_the_teachers_of_positions_that_come_once(
    tmp_path, label, material_net, tree_net
):
    assert label(tmp_path, 6000, tree_net=tree_net)
    labels = LabelFolder(tmp_path)
    assert count_wrong_labels(labels, material_net, 10_000) == 0
    for rows in (labels.values, labels.scored):
        assert len(np.unique(keys_of_rows(rows, ""))) == len(rows)
    parts = composition(labels.values)
    assert 0.6 < parts.calm / parts.rows < 1.0
    row = np.zeros(ROW_WORDS, np.uint64)
    for packed in labels.values[fields_of(labels.values)["kind"] & CALM > 0][:500]:
        assert unpack_row(packed, row)
        assert not in_check(row)


def test_the_facts_of_as_many_other_games_are_others(random_games):
    games = games_of_sets([random_games])
    changed = games._replace(keys=games.keys ^ np.uint64(1))
    assert games.facts() == games_of_sets([random_games]).facts() != changed.facts()


def test_scored_moves_are_as_many_as_asked_for(tmp_path, label, folder, random_net):
    assert label(tmp_path, 2000, plan=replace(PLAN, scored_share=1.0))
    labels = LabelFolder(tmp_path)
    assert len(labels.scored) > 0.95 * len(labels.values)
    assert count_wrong_labels(LabelFolder(folder), random_net, 500) > 400


def test_positions_of_one_game_share_their_root(tmp_path, label, random_games):
    assert label(tmp_path, 400, plan=only("games"))
    fields = fields_of(LabelFolder(tmp_path).values)
    assert set(fields["root"].tolist()) <= set(roots_of(game_keys(random_games)).tolist())
    assert (fields["plies_left"] > 0).all()


def test_trees_give_positions_a_few_moves_from_those_of_games(
    tmp_path, label, random_games, tree_net
):
    assert label(tmp_path / "trees", 900, plan=only("trees"), tree_net=tree_net)
    rows = LabelFolder(tmp_path / "trees").values
    fields = fields_of(rows)
    assert (fields["kind"] & 15 == TREES).all()
    assert set(fields["root"].tolist()) <= set(roots_of(game_keys(random_games)).tolist())
    assert np.isin(keys_of_rows(rows, ""), position_keys(random_games)).mean() < 0.2
    with pytest.raises(ConfigError, match="trees, which need a network"):
        label(tmp_path / "none", 900, plan=only("trees"))


def test_sources_without_positions_are_refused(
    tmp_path, material_net_file, material_net, random_games, monkeypatch
):
    with pytest.raises(ConfigError, match="no games"):
        sample_chunk(material_net, games_of_sets([]), PLAN, 0)
    monkeypatch.setattr(labelling, "MOST_KNOWN", 100)
    game = games_of_sets([random_games.select(np.arange(random_games.n_games) == 0)])
    run = LabelRun(tmp_path / "one", material_net_file, material_net, game, only("games"))
    # it went on and on
    with pytest.raises(RunError, match=r"no more than these \d\d positions"):
        run.run(1000, 1, print, lambda: run.published.chunks > 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, label):
    path = tmp_path_factory.mktemp("labels") / "labels"
    assert label(path, 2000)
    return path


def test_folder_of_other_settings_is_refused(folder, label, tree_net):
    with pytest.raises(RunError, match="seed, tree_net"):
        label(folder, 2500, plan=replace(PLAN, seed=2), tree_net=tree_net)
    with pytest.raises(ConfigError, match="with a positive sum"):
        LabelPlan(shares=Shares(games=math.nan))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("values.rows", b"", r"bytes by published\.json"),
        ("scored.rows", b"\xff" * 64, "row 0 is not a position"),
        ("published.json", b"{", "not a readable JSON file"),
        ("published.json", b'{"chunks": 1, "values": -1, "scored": 0}', "expected"),
    ],
)
def test_damage_to_a_folder_is_found(folder, tmp_path, name, content, words):
    changed = copytree(folder, tmp_path / "changed")
    with open(changed / name, "r+b") as stream:
        stream.write(content)
        if not name.startswith("scored"):
            stream.truncate()
    with pytest.raises(DataError, match=words):
        LabelFolder(changed).verify()


FLAGS = "--chunk-rows 300 --filter-mib 1 --scored-share 0.1 --count 900"


def test_command_checks_what_it_labelled(tmp_path, material_net_file, games_file, aino_train):
    command = "teach", "--teacher", material_net_file, "--out", tmp_path / "labels"
    aino_train(*command, FLAGS, "--data", games_file, "--mixture games=1 siblings=2")
    shown = aino_train(*command, "--check")
    for fact in ("every row is a position", "siblings 6", "games 3"):
        assert fact in shown
    aino_train(*command, FLAGS, "--mixture castles=1", status=1)


def test_every_node_is_offered_with_the_position_that_its_moves_lead_to(monkeypatch):
    with engine() as player:
        player.set_position(board_after("e2e4"))
        search_nodes(player, 400)
        tree = player._search.tree
    offered = []
    teacher = SimpleNamespace(rows=np.zeros((2, ROW_WORDS), np.uint64), net=None, acc=None)
    space = SimpleNamespace(teacher=teacher, rng=None)
    for name in ("start", "static_value"):
        monkeypatch.setattr(sample_sources, name, lambda *arguments: None)
    monkeypatch.setattr(sample_sources, "uniform", lambda rng: 0.0)
    monkeypatch.setattr(
        sample_sources, "offer", lambda *arguments: offered.append(int(teacher.rows[0, KEY]))
    )
    monkeypatch.setattr(sample_sources, "offer_below", sample_sources.offer_below.py_func)
    sample_sources.offer_nodes.py_func(
        space, tree, np.zeros((MAX_DEPTH + 1, ROW_WORDS), np.uint64), 0
    )
    expected = []
    for way in ways_to(tree).values():
        row = tree.stack[tree.counters[ROOT_PLY]].copy()
        after = np.zeros(ROW_WORDS, np.uint64)
        for edge in way:
            make(row, tree.move[edge], after)
            row, after = after, row
        expected.append(int(row[KEY]))
    assert sorted(offered) == sorted(expected[1:])
    assert len(offered) > 300
