"""The rules of chess at native speed: bitboards, legal moves, Zobrist keys, perft.

`layout` names the words of a position, `fen` reads one, `attacks` tells who attacks what, `movegen`
lists legal moves, `makemove` plays them, `ending` tells when a game is over, `perft` counts trees,
`convert` translates to and from python-chess, `notation` helps with its boards, and `pgn` reads
games. The package knows neither networks nor search.
"""
