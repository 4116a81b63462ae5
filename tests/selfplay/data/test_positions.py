"""Readers, position sets and what is rebuilt from them, against python-chess."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import chess.pgn
import numpy as np
import pytest

from engine.board.convert import encode_move, row_from_board
from engine.network.planes import RATING_PLANE
from engine.network.policy_map import INDEX_TO_UCI
from selfplay.data.cache import load_or_parse
from selfplay.data.pgn import pgn_reader, record_of_result
from selfplay.families.by_name import family_of
from selfplay.families.planes import planes_sampler as sampler
from selfplay.families.policy.sparse_sampler import SparseSampler, new_sparse_batch
from selfplay.records.collect import collect
from selfplay.records.order import GameOrder
from selfplay.records.positions import UNKNOWN_MOVES_LEFT, concatenate
from selfplay.records.targets import policy_from_scores, score_from_value, wdl_from_score
from tests.boards import board_after
from tests.selfplay.conftest import assert_same, games_of


def sample(positions, augment):
    batch = sampler.new_training_batch(positions.n_positions)
    numbers = np.arange(positions.n_positions)
    sampler.PositionSampler(positions).fill(
        numbers, np.full(len(numbers), augment, np.uint8), batch
    )
    return batch


def test_illegal_games_are_counted(scored_games):
    moves = scored_games[0].moves.copy()
    moves[0] = chess.E2 | chess.E5 << 6
    packed, illegal = collect(
        [scored_games[1], replace(scored_games[0], moves=moves), scored_games[2]]
    )
    assert packed.n_games == 2
    assert illegal == 1
    legal, _ = collect(scored_games[1:3])
    assert np.array_equal(packed.moves, legal.moves)
    assert np.array_equal(packed.target_probs, legal.target_probs)


def test_positions_of_unknown_length_teach_none(positions):
    left = positions.moves_left.copy()
    left[::3] = UNKNOWN_MOVES_LEFT
    partly = replace(positions, moves_left=left)
    numbers = np.arange(positions.n_positions)
    sparse = new_sparse_batch(positions.n_positions)
    SparseSampler(partly).fill(numbers, np.full(positions.n_positions, -1), sparse)
    for batch in (sample(partly, 0), sparse):
        assert np.array_equal(batch.moves_left >= 0, numbers % 3 > 0)


def test_parts_concatenated_are_the_whole(positions):
    joined = concatenate([games_of(positions, 0, 5), games_of(positions, 5, positions.n_games)])
    assert_same(vars(positions), vars(joined))


def test_second_start_reads_the_cache(games_file, tmp_path):
    # names that were made of it were too long
    games_file = shutil.copy(games_file, tmp_path / f"{'x' * 251}.pgn")
    cache = tmp_path / "cache"
    first = load_or_parse(games_file, pgn_reader(), cache)
    entries = list(cache.iterdir())

    def unexpected(path, bookmark):
        raise AssertionError(f"{path} was parsed again")

    unexpected.__name__ = pgn_reader().__name__
    second = load_or_parse(games_file, unexpected, cache)
    assert len(entries) == 1
    assert np.array_equal(first.moves, second.moves)
    assert load_or_parse(games_file, pgn_reader(2000), cache).n_games == 0, (
        "a selection is another one"
    )
    # a damaged entry had to be found and removed by hand
    os.truncate(entries[0] / "starts.npy", 99)
    assert np.array_equal(load_or_parse(games_file, pgn_reader(), cache).starts, first.starts)


def test_two_trainings_parse_a_file_once(games_file, tmp_path):
    cache = tmp_path / "cache"
    begun = []

    def reader(path, bookmark):
        begun.append(path)
        time.sleep(0.5)  # until the other one waits
        yield from pgn_reader()(path, bookmark)

    first, second = ThreadPoolExecutor(2).map(
        lambda path: load_or_parse(path, reader, cache), [games_file] * 2
    )
    assert np.array_equal(first.moves, second.moves)
    assert len(begun) == 1
    assert [path.name.startswith(".") for path in cache.iterdir()] == [False]


# ---- targets -------------------------------------------------------------------------------------


def test_scores_of_values_are_the_inverse():
    cp = np.arange(-1200, 1201)
    wdl = wdl_from_score(cp).astype(np.float64)
    inner = np.abs(cp) <= 600  # beyond it float32 probabilities no longer tell centipawns apart
    assert np.array_equal(score_from_value(wdl[:, 0] - wdl[:, 2])[inner], cp[inner])
    assert np.all(np.diff(score_from_value(np.linspace(-1, 1, 501))) >= 0)


def test_policy_of_scores_is_wider_in_decided_positions():
    scores = np.array([0.0, -60.0, 1000.0, 940.0, 5.0])
    policy = policy_from_scores(scores, np.array([0, 2, 4, 5]))
    assert np.allclose([policy[:2].sum(), policy[2:4].sum(), policy[4]], 1.0)
    assert policy[0] / policy[1] == pytest.approx(np.exp(2.0), rel=1e-5)
    assert policy[2] / policy[3] == pytest.approx(np.exp(60 / 110), rel=1e-5)


# ---- sampling ------------------------------------------------------------------------------------


def test_samples_have_the_legal_moves_of_the_board(positions, boards):
    batch = sample(positions, 0)
    assert np.allclose(batch.policy.sum(axis=1), 1.0, atol=1e-3)
    position = 0
    for game in boards:
        board = game.root()
        for played in game.move_stack:
            legal = {
                policy_name(board, move): encode_move(board, move) for move in board.legal_moves
            }
            count = int(batch.n_moves[position])
            names = [INDEX_TO_UCI[i] for i in batch.policy_index[position, :count]]
            assert set(names) == legal.keys()
            assert count == board.legal_moves.count()
            assert positions.moves[position] == encode_move(board, played)
            best = names[batch.policy[position].argmax()]
            assert legal[best] == positions.target_moves[positions.target_first[position]]
            board.push(played)
            position += 1
    assert position == positions.n_positions


def policy_name(board, move):
    """The move's name in the policy: from the mover's side, castling takes the rook, knight
    promotions are plain.
    """
    if board.is_castling(move):
        move = chess.Move(
            move.from_square, move.to_square + (1 if chess.square_file(move.to_square) == 6 else -2)
        )
    if board.turn == chess.BLACK:
        move = chess.Move(
            chess.square_mirror(move.from_square),
            chess.square_mirror(move.to_square),
            move.promotion,
        )
    return move.uci().removesuffix("n")


def test_mirrored_positions_are_those_of_the_mirrored_game():
    # Without castling rights a game mirrored left to right is a game as well.
    fen = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w - - 0 1"
    ranks, rest = fen.split(" ", 1)
    mirrored_fen = "/".join(rank[::-1] for rank in ranks.split("/")) + " " + rest
    swap = str.maketrans("abcdefgh", "hgfedcba")
    played = "e2e4 e7e5 g1f3"
    original = board_after(played, fen)
    reflection = board_after(played.translate(swap), mirrored_fen)
    first, second = (collect([record_of_result(row_from_board(board.root()), moves_of(board), 1)])[0]
                     for board in (original, reflection))  # fmt: skip
    a, b = sample(first, sampler.MIRROR), sample(second, 0)
    assert np.array_equal(a.masks, b.masks)
    for position in range(3):
        pairs_a = sorted(zip(a.policy_index[position], a.policy[position], strict=True))
        assert pairs_a == sorted(zip(b.policy_index[position], b.policy[position], strict=True))


def moves_of(game):
    return [move.from_square | move.to_square << 6 for move in game.move_stack]


def test_mirroring_waits_until_castling_is_over(positions):
    assert np.array_equal(sample(positions, sampler.MIRROR).masks[0], sample(positions, 0).masks[0])


def test_swapping_colours_changes_one_plane(positions):
    changed = sample(positions, 0).masks != sample(positions, sampler.SWAP_COLOURS).masks
    assert changed[:, 108].all()
    assert not np.delete(changed, 108, axis=1).any()


@pytest.mark.parametrize("group", [1, 4])
def test_every_epoch_draws_each_usable_position_once(positions, group):
    usable = np.arange(positions.n_positions) % 7 != 0
    partly = replace(positions, usable=usable)
    order = GameOrder(partly.usable, partly.game_first, 3, group)
    count = int(usable.sum()) // group * group  # what makes no group is left out
    assert len(order) == count
    drawn = np.concatenate([order.sample(first, 10) for first in range(0, 2 * count + 10, 10)])
    assert sorted(drawn[:count]) == sorted(drawn[count : 2 * count])
    assert usable[drawn].all()
    assert len(set(drawn.tolist())) == count
    assert not np.array_equal(drawn[:count], drawn[count : 2 * count])
    assert np.array_equal(
        GameOrder(partly.usable, partly.game_first, 3, group).sample(25, 30), drawn[25:55]
    )


def test_groups_are_spread_over_a_game_in_its_order(positions):
    drawn = GameOrder(positions.usable, positions.game_first, 3, group=4).sample(
        0, positions.n_positions
    )
    steps = np.diff(drawn)
    game = np.searchsorted(positions.game_first, drawn, side="right")
    onward = (steps > 0) & (game[1:] == game[:-1])
    assert onward.mean() > 0.7  # groups of four: three steps of four lead on in the same game
    assert np.median(steps[onward]) >= 8


@pytest.mark.parametrize(("net", "is_rated"), [("people-16x2", True), ("16x2", False)])
def test_towers_of_people_alone_are_told_ratings_in_training_and_scoring(positions, net, is_rated):
    rated = replace(positions, rating=np.full(positions.n_positions, 1700, np.uint16))
    family = family_of(net)
    trained = family.mixture([rated], [1.0], 64, seed=1).batch(0)
    scored = family.heldout(rated, 8)._parts[0]
    for batch in (trained, scored):
        assert set(batch.masks[:, RATING_PLANE].tolist()) == ({1700} if is_rated else {0})
