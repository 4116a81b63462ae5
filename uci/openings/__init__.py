"""Names of openings, by the moves that lead to them."""
