"""Lc0's training chunks: field by field, there and back, and what is refused."""

import gzip
import lzma
import tarfile

import chess
import numpy as np
import pytest
from numpy.random import default_rng

from engine.board.convert import encode_move, row_from_board, stack_from_board
from engine.board.fen import parse_fen
from engine.board.layout import FULLMOVE
from engine.errors import DataError
from engine.network.planes import PLANES, encode
from engine.network.policy_map import INDEX_TO_UCI
from selfplay.data.cache import Bookmark, load_or_parse
from selfplay.data.v6 import LARGEST_CHUNK, V6_RECORD, masks_of
from selfplay.data.v6_games import game_of_chunk, read_v6, row_of_planes
from selfplay.records.collect import collect
from selfplay.records.endings import Ending, game_ending
from selfplay.records.game import SelfPlayRecord, training_game
from tests.selfplay.conftest import random_game
from tests.selfplay.data.v6_chunks import archive_of, chunk_of_game, packed

STARTS = [
    chess.STARTING_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 7 1",
    "4k3/8/8/8/3pP3/8/8/4K2R b K e3 0 1",  # en passant at once
    "8/P6k/8/8/8/8/p6K/8 w - - 0 1",  # promotions
    "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9",  # Chess960
]


def searched_game(rng, fen, plies=60):
    """A random game with random visits, some moves without a full search, and its board."""
    board = random_game(rng, plies, parse_fen(fen, chess960=True))
    walk = board.root()
    moves = []
    counts = []
    targets = []
    for move in board.move_stack:
        legal = sorted(
            {encode_move(walk, choice) for choice in walk.legal_moves} | {encode_move(walk, move)}
        )
        least = 0 if len(moves) == 3 else 1
        chosen = rng.choice(legal, int(rng.integers(least, len(legal) + 1)), replace=False)
        moves.append(encode_move(walk, move))
        counts.append(len(chosen))
        targets += chosen.tolist()
        walk.push(move)
    row = stack_from_board(board)[-1]
    ending, points = game_ending(row, len(moves), 1) or (Ending.LENGTH, 0)
    counts = np.array(counts, np.uint8)
    game = SelfPlayRecord(
        generation=0, number=0, white_points=points, ending=ending, start=row_from_board(board.root()),
        moves=np.array(moves, np.uint16), full=(rng.random(len(moves)) < 0.7) & (counts > 0),
        target_counts=counts, target_moves=np.array(targets, np.uint16),
        target_visits=rng.integers(1, 200, len(targets)).astype(np.uint16),
        root_wdl=rng.dirichlet([1, 1, 1], len(moves)).astype(np.float16),
    )  # fmt: skip
    return game, board


@pytest.fixture(params=range(len(STARTS)))
def played(request):
    """A game from each of STARTS."""
    return searched_game(default_rng(request.param), STARTS[request.param])


@pytest.fixture(scope="module")
def chunk():
    """The records of one game from the start position."""
    return chunk_of_game(searched_game(default_rng(9), chess.STARTING_FEN, 30)[0])


def test_training_positions_are_those_of_the_replay(played, tmp_path):
    game, _ = played
    (tmp_path / "game.gz").write_bytes(packed(chunk_of_game(game)))
    direct, _ = collect([training_game(game, 0.5)])
    read, illegal = collect(read_v6(tmp_path / "game.gz"))
    assert illegal == 0
    for name in ("moves", "target_first", "moves_left", "usable", "game_first"):
        assert np.array_equal(getattr(read, name), getattr(direct, name)), name
    starts = (np.delete(games.starts, FULLMOVE, axis=1) for games in (read, direct))
    assert np.array_equal(*starts)
    assert np.array_equal(*map(targets_in_order, (read, direct)))
    assert np.allclose(read.wdl, direct.wdl, atol=2e-3)


def targets_in_order(games):
    """Position, move and probability of every target, by position and move."""
    owner = np.repeat(np.arange(games.n_positions), np.diff(games.target_first))
    targets = np.stack([owner, games.target_moves, games.target_probs])
    return targets[:, np.lexsort(targets[1::-1])]


def test_planes_of_a_record_show_the_position(played):
    game, board = played
    stack = stack_from_board(board)
    masks = masks_of(chunk_of_game(game))
    expected = np.zeros(PLANES, np.uint64)
    for ply in range(len(game.moves)):
        encode(stack, ply, expected)
        assert np.array_equal(masks[ply], expected)
        row = row_of_planes(masks[ply])
        assert np.array_equal(row[:11], stack[ply, :11])
        assert row[13] == stack[ply, 13]


def test_game_begins_with_its_first_record():
    game, _ = searched_game(default_rng(21), STARTS[0], 45)
    back = game_of_chunk(chunk_of_game(game)[11:], "x")
    assert np.array_equal(back.moves, game.moves[11:])
    assert np.array_equal(back.usable, game.full[11:])


def test_fields_lie_where_lc0_writes_them():
    places = {name: V6_RECORD.fields[name][1] for name in V6_RECORD.names}
    expected = {"probabilities": 8, "planes": 7440, "castling_us_ooo": 8272, "rule50": 8277}
    expected |= {"root_q": 8280, "result_q": 8308, "visits": 8340, "played_idx": 8344, "q_st": 8352}
    assert expected.items() <= places.items()
    assert V6_RECORD.itemsize == 8356


def test_the_start_position_is_written_as_lc0_does():
    """Our pawns are all of rank 2; the rook on a1 is the highest bit of the first byte."""
    data = chunk_of_game(searched_game(default_rng(1), chess.STARTING_FEN, 1)[0])[0]
    pawns, knights, _, rooks, queens = data["planes"][:5].tolist()
    assert pawns.to_bytes(8, "little") == b"\x00\xff\x00\x00\x00\x00\x00\x00"
    first_ranks = [plane.to_bytes(8, "little")[0] for plane in (knights, rooks, queens)]
    assert first_ranks == [0x42, 0x81, 0x10]
    named = {INDEX_TO_UCI[i] for i in np.flatnonzero(data["probabilities"] >= 0)}
    assert named == {move.uci() for move in chess.Board().legal_moves}


def test_a_folder_of_archives_is_read(chunk, tmp_path):
    # two archives, as `cat` joins them
    archives = archive_of(("._a.gz", chunk), ("a.gz", chunk)), archive_of(("b.gz", chunk[:5]))
    (tmp_path / "games.tar").write_bytes(b"".join(archives))
    (tmp_path / "single.GZ").write_bytes(packed(chunk[:3]))
    (tmp_path / "._single.gz").write_bytes(b"what macOS puts beside a file")
    assert [len(game.moves) for game in read_v6(tmp_path)] == [len(chunk), 5, 3]
    assert [len(game.moves) for game in read_v6(tmp_path, Bookmark(1))] == [5, 3]


def test_an_archive_that_was_cut_short_is_refused(chunk, tmp_path):
    cut = tmp_path / "games.tar"
    cut.write_bytes(archive_of(("a.gz", chunk), ("b.gz", chunk)))
    with tarfile.open(cut) as archive:
        end = archive.getmembers()[0].offset_data + len(packed(chunk))
    # behind a chunk that is whole, and in the block that follows it
    for length in (end + 512, -(-end // 512) * 512):
        cut.write_bytes(cut.read_bytes()[:length])
        with pytest.raises(DataError, match=r"games\.tar: cannot be read: it was cut short"):
            list(read_v6(cut))


def test_one_damaged_chunk_costs_one_game(chunk, tmp_path, caplog):
    archive, folder = tmp_path / "games.tar", tmp_path / "folder"
    older = chunk.copy()
    older["version"] = 5
    chunks = chunk, np.delete(chunk, 4), older, chunk
    archive.write_bytes(archive_of(*((f"{n}.gz", content) for n, content in enumerate(chunks))))
    (tmp_path / "games.tgz").write_bytes(gzip.compress(archive.read_bytes()))
    folder.mkdir()
    (folder / "a.xz").write_bytes(lzma.compress(chunk.tobytes()))
    (folder / "b.gz").write_bytes(packed(chunk)[:99])
    (folder / "c.gz").write_bytes(b"")
    (folder / "d.gz").symlink_to("nothing")
    for path, games in ((archive, 2), (tmp_path / "games.tgz", 2), (folder, 1)):
        caplog.clear()
        assert load_or_parse(path, read_v6, tmp_path / "cache").n_games == games
        assert len(caplog.records) == 2
    (folder / "c.gz").write_bytes(packed(chunk))
    assert load_or_parse(folder, read_v6, tmp_path / "cache").n_games == 2, "what it is today"


def changed(field, place, value):
    """The records with another value; those that follow in the file are of another length."""

    def damage(chunk):
        chunk[field][place] = value
        return gzip.compress(chunk.tobytes() + bytes(48))

    return damage


def huge_header(chunk):
    member = tarfile.TarInfo("PaxHeader/a")
    member.type = tarfile.XHDTYPE
    member.size = 1 << 40
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(2048)


ALL = slice(None)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("a.gz", lambda chunk: b"no gzip", r"a\.gz"),
        ("a.gz", lambda chunk: gzip.compress(chunk.tobytes()[:-1]), r"a\.gz"),
        ("a.gz", lambda chunk: gzip.compress(b""), r"a\.gz"),
        ("a.gz", lambda chunk: gzip.compress(bytes(LARGEST_CHUNK + 1), 1), "longer than 12000"),
        ("a.gz", changed("version", ALL, 5), "version 5, expected 6"),
        ("a.gz", changed("input_format", ALL, 3), "INPUT_112_WITH_CANONICALIZATION"),
        ("a.gz", changed("input_format", ALL, 132), "HECTOPLIES_ARMAGEDDON"),
        ("a.tar", lambda chunk: tarfile.TarInfo("games.pgn").tobuf() + bytes(1024), "no training"),
        ("a.tar", huge_header, r"a\.tar"),
    ],
)
def test_what_is_no_training_data_is_refused_by_name(name, damage, words, chunk, tmp_path):
    (tmp_path / name).write_bytes(damage(chunk.copy()))
    with pytest.raises(DataError, match=words):
        list(read_v6(tmp_path / name))


def without_probability(chunk):
    chunk["probabilities"][0] *= 3
    chunk["invariance_info"] = 0
    return chunk


def with_zero(field, place):
    def change(chunk):
        chunk[field][place] = 0
        return chunk

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda chunk: np.delete(chunk, 4), "record 4 is not the position that the one before it"),
        (with_zero("played_idx", 2), "record 2 plays or aims at an illegal move"),
        (with_zero("planes", (0, 5)), "record 0 is no position to play from"),
        (without_probability, "record 0: probabilities sum to"),
    ],
)
def test_records_of_no_game_are_refused(change, words, chunk):
    with pytest.raises(DataError, match=f"x: {words}"):
        game_of_chunk(change(chunk.copy()), "x")
