"""Readers of collections as they are in the wild: selections, broken games, damage, and what occurs
twice.
"""

import gzip
import logging
from dataclasses import replace

import chess.pgn
import numpy as np
import pytest

import selfplay.records.collect as collect_module
from engine.board.convert import row_from_board
from engine.board.pgn.scan_buffers import LONGEST_COMMENT
from engine.errors import DataError
from engine.files.note_log import MOST_TOLD
from selfplay.data.cache import load_or_parse
from selfplay.data.pgn import pgn_reader, read_pgn
from selfplay.data.split import game_keys, position_keys, without_known_games
from selfplay.records.collect import collect
from selfplay.training.source_files import Source, SourceFiles, load_training_data
from tests.selfplay.conftest import assert_same, random_game

FRC = "r5kr/pppppppp/8/8/8/8/PPPPPPPP/R5KR w HAha - 0 1"


def pgn(moves="1. e4 e5", **tags):
    headers = {"Result": "1-0", **tags}
    return (
        "".join(f'[{name} "{value}"]\n' for name, value in headers.items())
        + f"\n{moves} {headers['Result']}\n\n"
    )


def read(path, text, least_elo=0):
    path.write_text(text)
    return [game.moves.tolist() for game in read_pgn(path, least_elo=least_elo)]


KING_PAWNS = [chess.E2 | chess.E4 << 6, chess.E7 | chess.E5 << 6]


# ---- PGN -----------------------------------------------------------------------------------------


def test_games_are_selected_by_their_tags(tmp_path):
    path = tmp_path / "x.pgn"
    strong = pgn(WhiteElo=" 2500?", BlackElo="2400 FIDE")
    mixed = pgn("1. d4", WhiteElo="2500", BlackElo="2399")
    unknown = pgn("1. c4", WhiteElo="?", BlackElo="-")
    chess960 = pgn(
        "1. O-O", Variant="Chess960", FEN=FRC, SetUp="1", WhiteElo="2600", BlackElo="2600"
    )
    atomic = pgn(Variant="Atomic", WhiteElo="2600", BlackElo="2600")
    fairy = pgn(Variant="No Such Game", WhiteElo="2600", BlackElo="2600")
    text = strong + mixed + unknown + chess960 + atomic + fairy
    assert len(read(path, text)) == 4
    games = read(path, text, least_elo=2400)
    assert len(games) == 2
    assert games[0] == KING_PAWNS


def test_broken_games_are_told_by_line(tmp_path, caplog):
    good = pgn()
    illegal = pgn("1. e4 e5 2. Ke3")
    no_start = pgn(FEN="8/8/8/8/8/8/8/8 w - - 0 1", SetUp="1")
    bad_fen, passed = pgn(FEN="nonsense", SetUp="1"), pgn("1. e4 -- 2. d4")
    with caplog.at_level(logging.WARNING):
        games = read(tmp_path / "x.pgn", good + illegal + good + no_start + bad_fen + good + passed)
    assert games == [KING_PAWNS] * 3
    *warnings, count = [record.getMessage() for record in caplog.records]
    places = [text.split(": ")[0].rsplit("x.pgn:", 1)[1] for text in warnings]
    assert places == ["7:13", "14:1", "20:1", "29:1"]
    assert "Ke3" in warnings[0]
    assert "ply 2: '0000' is a pass" in warnings[-1]
    assert "7 games seen, 3 read, 4 skipped (4 with a fault)" in count


def test_many_broken_games_are_told_as_a_number(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert not read(tmp_path / "x.pgn", pgn("1. e5") * (MOST_TOLD + 7))
    assert len(caplog.records) == MOST_TOLD + 2
    assert "7 more notes of this kind" in caplog.records[-2].getMessage()


def test_comment_that_never_ends_costs_one_game(tmp_path):
    endless = pgn("1. d4 {" + LONGEST_COMMENT // 50 * f"{'x' * 59}\n")
    games = read(tmp_path / "x.pgn", pgn() + pgn("1. e4 { no end") + pgn() + endless + pgn())
    assert [moves for moves in games if moves == KING_PAWNS] == [KING_PAWNS] * 3


def test_results_are_read_from_the_moves_where_no_tag_tells_them(tmp_path):
    path = tmp_path / "x.pgn"
    text = (
        '[Event "x"]\n\n1. e4 e5 0-1\n\n[Result "*"]\n\n1. d4 1/2-1/2\n\n[Event "x"]\n\n1. c4 *\n\n'
    )
    path.write_text(text + pgn("1. f4 *"))
    games = list(read_pgn(path))
    assert [len(game.moves) for game in games] == [2, 1, 1]
    assert [game.wdl[0].tolist() for game in games] == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_a_mated_side_does_not_learn_that_it_won(tmp_path):
    games = [
        f'[Result "{result}"]\n\n1. f3 e5 2. g4 Qh4# {result}\n\n'
        for result in ("1-0", "1/2-1/2", "0-1", "*")
    ]
    (tmp_path / "games.pgn").write_text("".join([*games, '[Result "1/2-1/2"]\n\n1. e4 1-0\n\n']))
    positions = load_or_parse(tmp_path / "games.pgn", pgn_reader(), None)
    assert positions.wdl[:, 0].tolist() == [0, 1, 0, 1] * 2


def test_a_start_with_too_many_moves_is_no_game(tmp_path):
    queens = pgn("1. Qa3", FEN="8/8/8/8/7k/8/QQQQQQQQ/QQQQQQ1K w - - 0 1", SetUp="1")
    path = tmp_path / "x.pgn"
    path.write_text(
        queens + pgn("1. O-O O-O-O", Result="0-1", Variant="Chess960", SetUp="1", FEN=FRC)
    )
    packed, illegal = collect(read_pgn(path))
    assert illegal == 0
    assert packed.moves.tolist() == [chess.G1 | chess.H1 << 6, chess.G8 | chess.A8 << 6]
    assert packed.wdl.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_interrupted_reading_goes_on_behind_the_games_it_kept(tmp_path, suffix, monkeypatch):
    """Games with and without tags, a broken one among them; interrupted twice, and each game read
    once.
    """
    monkeypatch.setattr(collect_module, "GAMES_PER_CHUNK", 3)
    monkeypatch.setattr(collect_module, "GAMES_PER_LOOK", 1)
    texts = [pgn(f"1. {file}4 e5") for file in "edcbafgh"]
    path = tmp_path / f"games.pgn{suffix}"
    cache = tmp_path / "cache"
    whole = "".join([*texts[:4], pgn("1. Ke3"), "1. e3 e6 1-0\n\n", *texts[4:]])
    path.write_bytes(gzip.compress(whole.encode()) if suffix else whole.encode())
    expected = load_or_parse(path, pgn_reader(), None)

    def interrupt_at(number):
        def watch(share, games):
            assert 0.0 <= share <= 1.0
            if games == number:
                raise KeyboardInterrupt

        return watch

    seen = []
    for number in (5, 8):
        with pytest.raises(KeyboardInterrupt):
            load_or_parse(path, pgn_reader(), cache, interrupt_at(number))
    assert len(list(cache.glob(".*.pieces"))) == 1
    resumed = load_or_parse(path, pgn_reader(), cache, lambda share, games: seen.append(games))
    assert seen[0] == 7, "two parts of three games were kept"
    assert_same(vars(resumed), vars(expected))
    assert not list(cache.glob(".*"))


@pytest.mark.usefixtures("few_files")
def test_collections_have_more_parts_than_files_can_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(collect_module, "GAMES_PER_CHUNK", 1)
    (tmp_path / "games.pgn").write_text(pgn() * 50)
    assert load_or_parse(tmp_path / "games.pgn", pgn_reader(), tmp_path / "cache").n_games == 50


def test_file_without_games_is_told_by_name(tmp_path):
    single, noise = tmp_path / "single.pgn", tmp_path / "noise.pgn"
    single.write_text(pgn())
    noise.write_text("no game in here\n" * 20)
    for path, message in (
        (noise, r"noise\.pgn: no games found to learn from; at least 2 are needed"),
        (single, r"single\.pgn: 1 game found; at least 2 are needed"),
    ):
        with pytest.raises(DataError, match=message):
            load_training_data(SourceFiles((Source(path),)), None, print)


def test_a_folder_with_one_game_a_file_is_data(tmp_path):
    """By its first file, and by any without a result. Each of thousands of small files had taken
    eleven maps.
    """
    for number, result in enumerate(("1-0", "*", "0-1", "1/2-1/2")):
        (tmp_path / f"{number}.pgn").write_text(pgn(f"1. {'abcd'[number]}4 e5", Result=result))
    data = load_training_data(SourceFiles((Source(tmp_path),)), tmp_path / "cache", print)
    assert data.heldout.n_games + len(data.sets) == 3
    assert data.heldout.usable.any()
    assert not any(isinstance(positions.starts.base, np.memmap) for positions in data.sets)


# ---- what occurs twice ---------------------------------------------------------------------------


def test_position_keys_are_those_of_the_board(positions):
    keys = position_keys(positions)
    assert keys[0] == row_from_board(chess.Board())[13]
    # all games begin at the start position
    assert len(set(keys[positions.game_first[:-1]].tolist())) == 1


def test_another_selection_of_positions_of_a_game_is_kept(scored_games):
    """As in chunks of Lc0's, where only some positions are for training."""
    games, _ = collect(scored_games)
    usable_of = {}
    n_usable = 0
    for third in range(3):
        part = replace(games, usable=np.arange(games.n_positions) % 3 == third)
        new, repeated = without_known_games(part, usable_of)
        assert repeated == 0
        n_usable += new.n_usable
    assert n_usable == games.n_positions
    again, repeated = without_known_games(part, usable_of)
    assert repeated == games.n_games
    assert not again.usable.any()


# ---- the mixture of all kinds --------------------------------------------------------------------


def test_training_data_holds_every_game_once(tmp_path, games_file, game_texts):
    copy = tmp_path / "part2.pgn"
    copy.write_text("".join(game_texts[6:]))
    rng = np.random.default_rng(8)
    games = [chess.Board().variation_san(random_game(rng, 20).move_stack) for _ in range(4)]
    (tmp_path / "x.pgn").write_text("".join(map(pgn, games)))
    lines = []
    sources = Source(tmp_path / "part?.pgn", 0.6), Source(tmp_path / "x.pgn", 0.05)
    files = SourceFiles(sources, heldout_share=0.5)
    data = load_training_data(files, tmp_path / "cache", lines.append)
    # Part1 has all of part2's six games, too. Held-out games are found nowhere else.
    heldout = set(game_keys(data.heldout).tolist())
    assert 0 < len(heldout) == data.heldout.n_games
    usable = []
    for positions in data.sets:
        teaches = positions.usable[positions.game_first[:-1]]
        usable += game_keys(positions)[teaches].tolist()
    assert len(set(usable)) == len(usable) < 12 + 4
    assert not heldout & set(usable)
    assert data.shares == pytest.approx((0.6, 0.05))
    assert any("(6 duplicates skipped)" in line for line in lines)
