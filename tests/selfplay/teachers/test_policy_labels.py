"""Labels of policies: the networks' own probabilities, and the same whatever happened on the way."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import SIDE
from engine.errors import ConfigError, DataError, RunError
from engine.evaluation import make_evaluator
from engine.evaluation.leaf_batches import leaves_of
from engine.network.tower.tower_model import TowerConfig
from engine.nn import dit
from selfplay.data.cache import load_or_parse
from selfplay.data.pgn import pgn_reader
from selfplay.data.policy_folder import PolicyFolder
from selfplay.families.by_name import family_of
from selfplay.records.positions import PROBABILITY_ONE, UNKNOWN_RATING
from selfplay.teachers import policy_labels
from selfplay.teachers.policy_labels import LONGEST_LABELLED, PolicyPlan, PolicyRun, PolicyTeacher
from selfplay.teachers.sample_sources import games_of_sets
from selfplay.training.recipe import LearnerSettings
from selfplay.training.source_files import Source, SourceFiles, load_training_data
from tests.selfplay.conftest import boards_of

RATED_GAMES = """[WhiteElo "812"]
[BlackElo "1750?"]
[Result "1-0"]

1. e4 e5 2. Qh5 Nc6 3. Bc4 Qf6 4. Qf3 1-0

[Result "0-1"]

1. f3 e5 2. g4 Qh4# 0-1
"""
PLAN = PolicyPlan(own_share=0.5, label_share=0.5)


@pytest.fixture(scope="module", autouse=True)
def small_pieces():
    """Few games at a time, so that a part is quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy_labels, "PIECE_GAMES", 6)
        patch.setattr(policy_labels, "PIECES_A_PART", 2)
        patch.setattr(policy_labels, "SAME_SHARE", 0.2)
        yield


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    for rating in (1200, 1800):
        tower = TowerConfig(filters=16, blocks=1).build(default_rng(rating))
        tower.named_parameters()["policy.conv2.weight"] *= 20.0  # has opinions
        dit.save(folder / f"{rating}.dit", tower, {})
    return [PolicyTeacher(folder / f"{rating}.dit", rating) for rating in (1200, 1800)]


@pytest.fixture(scope="module")
def games(tmp_path_factory):
    path = tmp_path_factory.mktemp("games") / "games.pgn"
    path.write_text(RATED_GAMES)
    return load_or_parse(path, pgn_reader(), None)


@pytest.fixture(scope="module")
def label(teachers, games):
    """Labels a folder until it has `count` positions, or until some parts more."""

    def run(folder, count, threads=1, plan=PLAN, parts=1000, rated=True):
        used = teachers if rated else [PolicyTeacher(teacher.path) for teacher in teachers]
        with closing(PolicyRun(folder, used, games_of_sets([games]), plan)) as labels:
            last = labels.written.n_parts + parts
            return labels.run(count, threads, print, lambda: labels.written.n_parts >= last)

    return run


@pytest.fixture(scope="module")
def labels(tmp_path_factory, label):
    folder = tmp_path_factory.mktemp("labels")
    assert label(folder, 3000)
    return PolicyFolder(folder)


def contents(folder):
    files = filter(Path.is_file, folder.rglob("*"))
    return {path.relative_to(folder): path.read_bytes() for path in files}


def games_in(positions):
    """The moves of every game."""
    return [moves.tolist() for moves in np.split(positions.moves, positions.game_first[1:-1])]


def test_neither_threads_nor_interruptions_leave_a_trace(tmp_path, label):
    assert label(tmp_path / "one", 1500)
    assert label(tmp_path / "two", 1500, threads=2)
    while not label(tmp_path / "cut", 1500, parts=1):
        pass
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "cut")


def test_labels_are_the_networks_probabilities(labels, teachers):
    nets = {teacher.rating: make_evaluator("network", teacher.path) for teacher in teachers}
    positions = next(iter(labels))
    for number, board in enumerate(boards_of(positions, 0)):
        leaves = leaves_of([board])
        nets[int(positions.rating[number])].evaluate(leaves, 1)
        logits = leaves.logits[0, : leaves.n_moves[0]].astype(np.float64)
        expected = np.exp(logits - logits.max())
        expected = dict(zip(leaves.moves[0].tolist(), expected / expected.sum(), strict=False))
        targets = slice(*positions.target_first[number : number + 2])
        for move, stored in zip(
            positions.target_moves[targets], positions.target_probs[targets], strict=True
        ):
            assert stored / PROBABILITY_ONE == pytest.approx(expected[int(move)], abs=1e-3)


def test_no_game_goes_on_behind_its_end(labels, games):
    """With another network for each side, the second one answered at once where the first had
    played the last move, and the game went on with the first move of the next.
    """
    labels.verify()
    labelled = [game for part in labels for game in games_in(part)]
    sources = games_in(games)
    assert sum(game in sources for game in labelled) >= 10
    assert not [game for game in labelled for source in sources if game[:-1] == source]


def test_the_share_asked_for_is_labelled_for_two_networks(tmp_path, label, monkeypatch):
    """A position that waited for the second network was drawn again before the first one answered:
    20% of all were labelled for 30%.
    """
    monkeypatch.setattr(policy_labels, "SAME_SHARE", 0.0)
    assert label(tmp_path, 1000, plan=PolicyPlan(own_share=0.0, label_share=0.3))
    usable = np.concatenate([part.usable for part in PolicyFolder(tmp_path)])
    assert usable.mean() == pytest.approx(0.3, abs=0.04)


def test_own_games_end_by_the_rules_or_at_the_longest(labels):
    positions = next(iter(labels))
    for game in range(positions.n_games):
        board = boards_of(positions, game)[-1]
        last_move = positions.moves[positions.game_first[game + 1] - 1]
        board.push(decode_move(row_from_board(board), int(last_move)))
        plies = len(board.move_stack)
        assert board.is_game_over(claim_draw=True) or plies in (4, 7, LONGEST_LABELLED - 1)


def test_labels_without_ratings_have_none(tmp_path, label):
    assert label(tmp_path, 100, rated=False)
    assert (next(iter(PolicyFolder(tmp_path))).rating == UNKNOWN_RATING).all()


def test_one_network_answers_for_one_side(labels):
    positions = next(iter(labels))
    for first, last in zip(positions.game_first, positions.game_first[1:], strict=False):
        for side in (0, 1):
            rated = positions.rating[first:last][side::2]
            assert len(set(rated[rated != UNKNOWN_RATING])) <= 1
    assert not positions.starts[:, SIDE].any()


def test_other_settings_and_a_damaged_part_are_refused(tmp_path, label):
    assert label(tmp_path, 100)
    with pytest.raises(RunError, match="other seed"):
        label(tmp_path, 200, plan=replace(PLAN, seed=2))
    (tmp_path / "parts" / "000000" / "moves.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="000000"):
        PolicyFolder(tmp_path)


@pytest.mark.parametrize(
    "text", ["net.pb.gz=", "net.pb.gz=strong", "net.pb.gz=0", "net.pb.gz=9000"]
)
def test_a_rating_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="Elo"):
        PolicyTeacher.parse(text)


def test_ratings_for_some_networks_alone_are_refused(tmp_path, teachers):
    mixed = [teachers[0], PolicyTeacher(teachers[1].path)]
    with pytest.raises(ConfigError, match="every network, or to none"):
        PolicyRun(tmp_path, mixed, games_of_sets([]), PolicyPlan())


def test_the_command_labels_with_networks(tmp_path, teachers, aino_train):
    words = [f"{teacher.path}={teacher.rating}" for teacher in teachers]
    command = "teach", "--teacher", *words, "--out", tmp_path / "out"
    aino_train(*command, "--count 50")
    assert aino_train(*command, "--check").startswith("50 positions with a policy")


@pytest.mark.parametrize("net", ["people-128", "sparse-128", "16x1"])
def test_networks_learn_policies(labels, net):
    data = load_training_data(SourceFiles((Source(labels.folder),)), None, print)
    family = family_of(net)
    settings = LearnerSettings(64, weight_decay=0.0, threads=1)
    model = family.build(default_rng(1))
    batches = family.batches(data, settings, 1)
    same = batches.batch(0)
    batches.batch = lambda step, run=map: same
    with closing(family.learner(model, batches, settings, 3e-3, "numpy")) as learner:
        losses = [learner.step().policy for _ in range(20)]
    assert losses[-1] < losses[0] - 0.1


def test_games_carry_the_rating_of_the_player_to_move_where_it_is_told(games):
    assert games.rating.tolist() == [812, 1750] * 3 + [812] + [UNKNOWN_RATING] * 4
