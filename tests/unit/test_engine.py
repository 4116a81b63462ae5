"""`Engine` as a library: in the background, with a book, weakened, with tables, and by its options."""

import gc
import json
import threading
import weakref
from dataclasses import replace
from functools import partial
from itertools import pairwise

import chess
import chess.polyglot
import numpy as np
import pytest

from engine import Engine
from engine.board.convert import row_from_board
from engine.errors import FenError
from engine.evaluation.material import CHECK_DEPTH
from engine.network.weights import default_net_path
from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.tactics.quiescence import new_space, quiet_value
from tests.stand_ins import StandIn
from tests.unit.search.trees import Counting, alone, search_alone, search_nodes

ROOK_ENDING = chess.Board("7k/8/8/p6p/P6P/8/1K6/R7 w - - 0 1")


search = partial(search_alone, evaluator="material")


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Kernels first: some tests here wait for a few seconds only."""
    with alone(evaluator="material") as player:
        player.warm_up()


@pytest.fixture
def player():
    with alone(evaluator="material") as player:
        yield player


def test_a_board_that_cannot_be_played_leaves_the_old_one(player):
    player.set_position(chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"))
    with pytest.raises(FenError):
        player.set_position(chess.Board("8/8/8/8/8/8/8/4K3 w - - 0 1"))
    assert search_nodes(player, 5).best_move in player.board.legal_moves
    player.set_position(chess.Board("4k3/8/8/4P3/8/8/8/4K3 w KQkq e6 0 1"))
    assert search_nodes(player, 5).best_move in player.board.legal_moves


# ---- in the background ---------------------------------------------------------------------------


def test_searches_wait_their_turn_for_the_position_set_when_they_were_started(player):
    first = player.start(Limits(infinite=True))
    player.set_position(ROOK_ENDING)
    second = player.start(Limits(infinite=True))
    player.set_position(chess.Board())
    first.stop()
    assert first.result(120).best_move in chess.Board().legal_moves
    assert not second.done()
    second.stop()
    assert second.result(120).best_move in ROOK_ENDING.legal_moves


def test_closing_ends_all_searches_that_were_started():
    player = alone(evaluator="material")
    jobs = [player.start(Limits(infinite=True)) for _ in range(3)]
    closing = threading.Thread(target=player.close, daemon=True)
    closing.start()
    closing.join(120)
    assert not closing.is_alive()
    assert all(job.done() for job in jobs)


# ---- lines and results ---------------------------------------------------------------------------


def test_the_roots_own_evaluation_counts_in_its_statistics(player):
    for nodes in (1, 100):
        result = search_nodes(player, nodes)
        assert result.root.visits == nodes
        mean = result.root.v + sum(
            child.visits * child.q for child in result.children if child.visits
        )
        assert result.root.q == pytest.approx(mean / nodes, abs=1e-6)
    own_value = result.root.v
    repeated = search_nodes(player, 100)
    # a node limit counts what the tree has already
    assert (repeated.nodes, repeated.root.visits) == (0, 100)
    assert repeated.root.v == pytest.approx(own_value, abs=1e-6)


@pytest.mark.parametrize(
    "fen", ["4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", "4k3/3p4/8/8/8/8/1P1P4/4K3 w - - 0 1"]
)
def test_a_score_of_the_material_evaluator_is_printed_in_its_own_centipawns(fen):
    shown = search(chess.Board(fen), 1).infos[0].score_cp
    settled = int(quiet_value(row_from_board(chess.Board(fen)), new_space(), CHECK_DEPTH, 0))
    assert settled > 50
    assert shown == pytest.approx(settled, abs=2)


def test_the_evaluators_own_value_of_a_move_is_that_of_its_first_visit(player):
    shallow = {child.move: child for child in search_nodes(player, 2).children}
    deep = search_nodes(player, 300).children
    once = [child for child in deep if shallow[child.move].visits == 1]
    assert once
    assert all(child.v == pytest.approx(shallow[child.move].q, abs=1e-6) for child in once)


# ---- options -------------------------------------------------------------------------------------


class DrawnOrEven(StandIn):
    """After a1a2 everything is a sure draw, elsewhere as often won as lost."""

    def evaluate(self, leaves, count):
        for leaf in range(count):
            drawn = leaves.rows[leaf, 3] >> np.uint64(8) & np.uint64(1)  # a rook on a2
            leaves.logits[leaf, : leaves.n_moves[leaf]] = 0
            leaves.wdl[leaf] = (0.0, 1.0, 0.0) if drawn else (0.5, 0.0, 0.5)
            leaves.moves_left[leaf] = 50


def share_of_draws(**options):
    with Engine(EngineOptions(hash_mib=8, **options), DrawnOrEven()) as player:
        player.set_position(ROOK_ENDING)
        children = search_nodes(player, 300).children
    return next(child.visits for child in children if child.move.uci() == "a1a2") / 300


def test_visits_follow_what_a_draw_is_worth():
    even = share_of_draws()
    assert share_of_draws(draw_score=50) > even > share_of_draws(draw_score=-50)
    assert share_of_draws(contempt=100) < even
    assert share_of_draws(contempt=100, analyse_mode=True) == even


def test_moves_drawn_by_temperature_follow_the_seed():
    def moves(seed):
        with alone(evaluator="material", temperature=1.5, seed=seed) as player:
            played = []
            for _ in range(8):
                player.new_game()
                played.append(search_nodes(player, 60).best_move.uci())
            return played

    assert moves(5) == moves(5)
    assert len(set(moves(5))) > 1


def test_the_lc0_preset_takes_a_towers_values_as_they_are():
    tower = EngineOptions(
        hash_mib=8, threads=1, weights_file=str(default_net_path(entry="default_tower"))
    )
    with Engine(tower) as player:
        assert player.evaluator.name == "hybrid"
        player.set_options(replace(tower, preset="lc0"))
        assert player.evaluator.name == "network"
        player.set_options(replace(tower, preset="lc0", evaluator="hybrid"))
        assert player.evaluator.name == "hybrid", "as the user says"


@pytest.mark.parametrize("evaluator", ["network", "sparse"])
def test_hash_holds_the_table_beside_the_tree(evaluator):
    with Engine(EngineOptions(hash_mib=16, evaluator=evaluator, threads=1)) as player:
        tree, table = player._search.tree, player._tactical_priors._alpha_beta
        of_nodes = tree[tree._fields.index("nodes") : tree._fields.index("counters")]
        used = sum(array.nbytes for array in (*of_nodes, table.keys, table.table))
        assert 15 * 2**20 < used <= 16 * 2**20


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({"multi_pv": 3, "show_wdl": True, "log_file": "talk.txt", "move_overhead_ms": 100}, True),
        ({"seed": 5, "own_book": True}, True),
        ({"cpuct_init": 2.0}, False),
        ({"hash_mib": 4}, False),
        ({"analyse_mode": True}, False),  # without contempt
    ],
)
def test_options_keep_the_tree_that_they_do_not_touch(changes, is_kept):
    evaluator = Counting()
    with Engine(EngineOptions(hash_mib=8, contempt=50), evaluator) as player:
        search_nodes(player, 300)
        asked_before = evaluator.asked
        player.set_options(replace(player.options, **changes))
        search_nodes(player, 300)
    assert (evaluator.asked == asked_before) == is_kept


def test_options_without_room_for_their_tree_change_nothing(monkeypatch):
    def no_room(*sizes, **more):
        raise MemoryError

    with Engine(EngineOptions(hash_mib=8, threads=2, evaluator="material")) as player:
        before = player.options
        with monkeypatch.context() as patch:
            patch.setattr("engine.player.new_tree", no_room)
            with pytest.raises(MemoryError):
                player.set_options(replace(before, hash_mib=16, threads=3, seed=1))
        assert player.options == before
        assert search_nodes(player, 3000).nodes >= 3000  # on threads that still work


def test_what_a_change_of_options_replaces_is_given_back():
    """Objects in a cycle stay for ever where a program keeps the garbage collector from its long
    pauses.
    """
    kinds = [
        {"hash_mib": 2},
        {"threads": 2},
        {"preset": "lc0"},
        {"evaluator": "sparse"},
        {"tactical_nodes": 0.0},
    ]
    replaced = []
    gc.disable()
    try:
        with alone(evaluator="material") as player:
            first = player.options
            for number in range(100):
                search_nodes(player, 4)
                parts = [player._search, player._runner, player.evaluator]
                player.set_options(
                    first if number % 2 else replace(first, **kinds[number // 2 % len(kinds)])
                )
                current = player._search, player._runner, player.evaluator
                replaced += [weakref.ref(part) for part in parts if part not in current]
                del parts, current
            assert len(replaced) > 200
            assert [part() for part in replaced if part() is not None] == []
    finally:
        gc.enable()


# ---- book, strength, tables ----------------------------------------------------------------------


def test_tables_decide_leaves_after_a_capture(test_data):
    # White takes a rook and is left with queen against rook, a win; the tables say so before any
    # mate is seen.
    board = chess.Board("7k/8/8/3r4/8/1K6/3Q4/6r1 w - - 0 1")
    result = search(board, 200, syzygy_path=str(test_data / "syzygy"), syzygy_probe_limit=4)
    assert result.infos[0].tbhits > 0
    assert result.best_move.uci() == "d2d5"
    assert result.children[0].q == 1.0
    assert result.infos[0].score_mate is None


def test_where_the_tables_know_the_root_the_way_to_mate_is_searched(test_data):
    board = chess.Board("7k/8/5K2/8/8/8/8/Q7 w - - 0 1")
    assert search(board, 3000, syzygy_path=str(test_data / "syzygy")).infos[0].score_mate == 2


def test_the_tables_found_are_told_once(tmp_path):
    with alone(evaluator="material", syzygy_path=str(tmp_path)) as player:
        assert player.take_problems() == [f"no Syzygy tables found in {tmp_path}"]
        assert player.take_problems() == []


def test_lines_never_come_too_often():
    job = SearchJob()
    times = []

    def listen(infos):
        times.append(infos[0].time_ms)
        if len(times) == 6:
            job.stop()

    with alone(evaluator="material") as player:
        player.warm_up()
        player.search(Limits(infinite=True), listen, job)
    assert times[0] >= 50
    # the last set comes with the move
    gaps = [after - before for before, after in pairwise(times[:-1])]
    assert min(gaps) >= 49


def test_no_nodes_at_all_still_give_a_move():
    assert search(chess.Board(), 0).best_move is not None


# ---- in a notebook -------------------------------------------------------------------------------


MATE_IN_ONE = chess.Board("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1")


def test_a_result_is_shown_as_a_board_and_taken_out_as_rows_and_json():
    result = search(MATE_IN_ONE, 200)
    page = result._repr_html_()
    assert page.startswith("<svg")
    for shown in ('class="arrow"', "<td>#1</td>", "1. Rd8#"):
        assert shown in page
    first, *_ = rows = result.rows()
    assert {row["move"] for row in rows} == {move.uci() for move in MATE_IN_ONE.legal_moves}
    assert (first["move"], first["visits"]) == ("d1d8", result.children[0].visits)
    values = result.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert (values["best_move"], values["board"]) == ("d1d8", MATE_IN_ONE.fen())
    assert values["infos"][0]["pv"] == ["d1d8"]


def test_a_result_without_a_search_is_shown_too():
    result = search(chess.Board("3R2k1/5ppp/8/8/8/8/5PPP/6K1 b - - 0 1"), 1)
    assert (result.best_move, result.rows()) == (None, [])
    assert result._repr_html_().startswith("<svg")
    assert "SearchResult" in replace(result, board=None)._repr_html_()
