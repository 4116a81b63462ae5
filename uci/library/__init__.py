"""One's own games: the PGN files of a folder, a catalogue of them, reviews that run in the
background, and puzzles.
"""
