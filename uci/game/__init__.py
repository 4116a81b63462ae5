"""A game against Aino, wherever it is shown: clocks, levels, how games end, moves as people type
them, its PGN file.
"""
