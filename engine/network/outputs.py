"""What the outputs of all networks share: win, draw and loss for the side to move, and plies to the
end.
"""

from __future__ import annotations

Heads = tuple[str, str]  # of policy and value, by Lc0's names
FIRST_HEADS: Heads = ("vanilla", "winner")
MOVES_LEFT_SCALE = 100.0  # plies in one unit of the moves-left output
CHUNK = 8  # positions that a tower evaluates together: their products fill the second-level cache


def policy_name(head: str) -> str:
    """Our name of one of Lc0's policy heads, such as policy or policy_soft."""
    return "policy" if head == "vanilla" else f"policy_{head}"
