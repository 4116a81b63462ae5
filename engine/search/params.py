"""What the search kernels are told, fixed for one search."""

from __future__ import annotations

from typing import NamedTuple


class SearchParams(NamedTuple):
    """What the search kernels are told, fixed for one search."""

    cpuct_init: float = 1.745
    cpuct_base: float = 38739.0
    cpuct_factor: float = 3.894
    fpu_reduction: float = 0.330
    policy_temperature: float = 1.359
    draw_score: float = 0.0  # what a draw is worth to the root's side to move, in [-1, 1]
    moves_left_max_effect: float = 0.0  # most that the moves left may add to Q; 0 leaves them out
    moves_left_threshold: float = 0.8  # |Q| of the parent from which they count
    moves_left_slope: float = 0.0027  # for each ply
    tactical_nodes: float = 0.0  # positions that alpha-beta looks at beside the tree, a visit (`advice`)
    max_collisions: int = 512  # end a round early
    mate_in_one: bool = True  # look for a mating move when a leaf is reached
    mate_moves: int = 3  # how deep the root is searched for forced mates before anything else; 1 = not
    decide_root: bool = True  # whether proofs reach the root and end the search; Lc0's do not
    choose_by_value: bool = True  # of the moves looked at seriously; else by visits (`root.favourite`)
    needs_planes: bool = True  # whether the evaluator reads the input planes


LC0 = SearchParams(cpuct_factor=0.0, mate_in_one=False, mate_moves=1, decide_root=False, choose_by_value=False)
"""With rounds of one leaf, what Lc0 does with a net that counts no moves: the preset `lc0`."""
