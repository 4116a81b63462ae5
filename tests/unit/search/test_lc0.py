"""The preset `lc0` visits what Lc0 itself visited on the same nets: batch 1, its constants, its
habits.

What differs are near ties: Lc0 approximates the softmax and rounds its priors to 16 bits.
"""

import gzip
import json

import pytest

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from tests.boards import board_after

FAST_ROOTS = 8


def roots(folder, net, nodes):
    """Lc0's answers at so many nodes."""
    with gzip.open(folder / "lc0-reference" / f"{net}.jsonl.gz", "rt") as lines:
        yield from (answer for answer in map(json.loads, lines) if answer["nodes"] == nodes)


def same_roots(folder, name, nodes, most=None):
    """(roots on which `SearchPreset lc0` visits exactly what Lc0 did, roots)."""
    net = str(folder / "nets" / f"{name}.pb.gz")
    same = 0
    answers = list(roots(folder, name, nodes))[:most]
    with Engine(
        EngineOptions(preset="lc0", evaluator="network", weights_file=net, hash_mib=16)
    ) as engine:
        for answer in answers:
            board = board_after(answer["moves"], answer["fen"])
            board.chess960 = True  # castling as Lc0 prints it
            engine.new_game()
            engine.set_position(board)
            children = engine.search(Limits(nodes=answer["root_visits"])).children
            same += {board.uci(child.move): child.visits for child in children} == answer["visits"]
    return same, len(answers)


def test_the_preset_is_as_near_to_lc0_as_its_help_says(test_data):
    same, count = same_roots(test_data, "maia-1900", 100, FAST_ROOTS)
    assert same >= 0.75 * count


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "equal_roots"), [(100, 79), (800, 16)])
def test_the_preset_equals_lc0_on_as_many_roots_as_its_help_says(test_data, nodes, equal_roots):
    counts = [same_roots(test_data, name, nodes) for name in ("maia-1900", "meangirl-8")]
    assert sum(count for _, count in counts) == 90
    # near ties fall by the last bits of a machine's products
    assert abs(sum(same for same, _ in counts) - equal_roots) <= 3
