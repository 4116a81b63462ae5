"""The rules of chess at native speed: bitboards, legal moves, Zobrist keys, perft.

`layout` names the words of a position, `fen` reads one, `attacks` answers who attacks what, `movegen` lists legal
moves, `makemove` plays them, `ending` knows when a game is over, `perft` counts trees, `convert` is the edge to
python-chess. Knows no network and no search.
"""
