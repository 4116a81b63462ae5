"""Label folders as a source of training: what is sampled, what it teaches, and what it must not."""

import argparse

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from engine.board.layout import ROW_WORDS
from engine.errors import ConfigError, DataError
from selfplay.commands.pretrain import add_arguments, settings_of
from selfplay.data.label_rows import LabelRows, held_out
from selfplay.families.planes.planes_family import PlanesMixture
from selfplay.families.policy.sparse_family import SparseMixture
from selfplay.families.policy.sparse_sampler import LabelSampler, new_sparse_batch
from selfplay.records.label_folder import fields_of
from selfplay.records.order import RowOrder
from selfplay.records.packed import CALM, SOURCE_MASK, SOURCES, unpack_row
from selfplay.records.targets import CALM_VALUES, MOVE_SCORES, UNSETTLED_VALUES
from selfplay.teachers.labelling import LabelPlan, sample_chunk
from tests.selfplay.teachers.nets import sample_games
from tests.unit.board.board_positions import legal_codes
from tests.unit.network.sparse_arithmetic import seen

HELD_OUT, TRAINED = 700, 20_000  # roots


@pytest.fixture(scope="module")
def sampled(material_net):
    return sample_chunk(
        material_net, sample_games(), LabelPlan(chunk_rows=600, scored_share=0.3), 0
    )


def filled(rows, numbers):
    batch = new_sparse_batch(len(numbers))
    LabelSampler(LabelRows("labels", rows)).fill(numbers, np.full(len(numbers), -1), batch)
    return batch


def test_order_is_the_feistel_network_by_its_definition():
    """Four rounds with the mixer of SplitMix64, as plain Python integers once gave them: a run goes
    on in its order.
    """
    assert RowOrder(1000, 3).sample(996, 6).tolist() == [476, 603, 121, 906, 902, 637]
    in_groups = RowOrder(1003, 3, group=5)
    assert len(in_groups) == 1000
    assert in_groups.sample(996, 6).tolist() == [291, 292, 293, 294, 680, 681]
    large = [166069882, 119523916, 112432051]
    assert RowOrder(200_000_001, 7).sample(996, 3).tolist() == large


@pytest.mark.parametrize("kind", ["values", "scored"])
def test_large_scores_are_certain(sampled, kind):
    rows = getattr(sampled, kind)[:3].copy()
    fields_of(rows)["root"] = TRAINED
    fields_of(rows)["score"] = [31_990, -31_990, 3_001]
    wdl = filled(rows, np.arange(3)).wdl
    assert wdl[0, 0] == wdl[1, 2] == wdl[2, 0] == 1.0


def test_plies_to_the_end_are_learnt_where_a_game_tells(sampled):
    rows = sampled.values[:2].copy()
    fields_of(rows)["root"] = TRAINED
    fields_of(rows)["plies_left"] = [0, 80]
    assert_allclose(filled(rows, np.arange(2)).moves_left, [-1.0, 0.8])


def test_values_teach_the_value_alone(sampled):
    numbers = np.arange(len(sampled.values))
    batch = filled(sampled.values, numbers)
    trained = ~held_out(sampled.values)
    fields = fields_of(sampled.values)
    for number, source in enumerate(SOURCES):
        calm = trained & (fields["kind"] & CALM > 0) & (fields["kind"] & SOURCE_MASK == number)
        assert_allclose(batch.wdl[calm], CALM_VALUES[source].wdl(fields["score"][calm]))
        unsettled = trained & (fields["kind"] == number)
        assert_allclose(
            batch.wdl[unsettled], UNSETTLED_VALUES[source].wdl(fields["score"][unsettled])
        )
    assert (batch.n_moves == 0).all()
    assert (batch.moves_left[fields["plies_left"] == 0] == -1).all()


def test_a_label_has_the_features_of_its_position(sampled):
    batch = filled(sampled.values, np.arange(50))
    row = np.zeros(ROW_WORDS, np.uint64)
    for slot in range(50):
        assert unpack_row(sampled.values[slot], row)
        assert_array_equal(batch.features[slot, : batch.n_features[slot]], seen(row)[0])


def test_scored_moves_teach_the_policy_of_all_legal_moves(sampled):
    batch = filled(sampled.scored, np.arange(len(sampled.scored)))
    trained = np.flatnonzero(~held_out(sampled.scored))
    row = np.zeros(ROW_WORDS, np.uint64)
    for slot in trained:
        assert unpack_row(sampled.scored[slot], row)
        legal = legal_codes(row).tolist()
        assert batch.n_moves[slot] == len(legal)
        policy = batch.policy[slot, : len(legal)]
        assert policy.sum() == pytest.approx(1.0, abs=1e-4)
        best = legal.index(int(sampled.scored[slot, 4]) & 0xFFFF)
        assert policy[best] == policy.max()
    fields = fields_of(sampled.scored)[trained]
    for number, source in enumerate(SOURCES):
        there = fields["kind"] & SOURCE_MASK == number
        assert_allclose(batch.wdl[trained][there], MOVE_SCORES[source].wdl(fields["score"][there]))


def test_held_out_roots_take_no_part(sampled):
    rows = sampled.scored.copy()
    fields_of(rows)["root"] = HELD_OUT
    batch = filled(rows, np.arange(len(rows)))
    assert not batch.wdl.any()
    assert not batch.n_moves.any()
    assert (batch.moves_left < 0).all()


def test_rows_that_are_no_position_are_refused_by_number(sampled):
    rows = sampled.values.copy()
    rows[5, 0] = 0
    with pytest.raises(DataError, match="row 5"):
        filled(rows, np.arange(10))


def test_mixture_draws_labels_beside_games(sampled):
    sets = [LabelRows("values", sampled.values), LabelRows("scored", sampled.scored)]
    batch = SparseMixture(sets, [0.75, 0.25], 64, seed=1).batch(3)
    assert 8 <= np.count_nonzero(batch.n_moves) <= 16
    with pytest.raises(ConfigError, match="sparse"):
        PlanesMixture(sets, [0.75, 0.25], 64, seed=1)


def test_the_policy_part_can_be_trained_on_scored_moves_alone():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = "--data labels --data more --scored-share 1 --run run --out out.dit --minutes 1".split()
    flags += "--net sparse-128+v128 --part".split()
    files = settings_of(parser.parse_args([*flags, "policy"])).files
    assert files.scored_share == 1.0
    assert [str(source.path) for source in files.data] == ["labels", "more"]
    assert settings_of(parser.parse_args([*flags, "value"])).files.scored_share == 0.0


@pytest.mark.parametrize(
    ("rows", "shares", "size"),
    [
        ((700, 900, 50), (0.3, 0.7, 1e-4), 64),  # a tiny share, which gave smaller batches
        ((9,) * 5, (0.2,) * 5, 2),  # fewer positions than sets
    ],
)
def test_full_batches_keep_their_shares(rows, shares, size):
    sets = [LabelRows("labels", np.zeros((count, 4), np.uint64)) for count in rows]
    samples = SparseMixture(sets, shares, batch_size=size, seed=1)
    sampled = np.array(
        [[len(numbers) for _, numbers in samples.samples(step)] for step in range(1000)]
    )
    assert (sampled.sum(axis=1) == size).all()
    assert_allclose(sampled.sum(axis=0) / sampled.sum(), shares, atol=3e-3 if size < 64 else 1e-4)
