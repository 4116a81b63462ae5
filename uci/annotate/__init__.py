"""Commented games: what each move cost, better moves, accuracy, as PGN and as a web page."""
