"""One's own games: the PGN files of a folder, an index of them, reviews that run in the background,
and puzzles.
"""
