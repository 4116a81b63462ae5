"""Reads games in PGN: one grammar, in two speeds. `docs/what-aino-reads.md` has the grammar.

Kernels (`token_kernels`, `tag_kernels`, `san_kernels`) cut a text into games and tokens, and find
moves in English SAN. `token_player` plays the tokens into a tree, and reads the words that the
kernels left (`move_words`). `game_reader` reads whole games so. `main_lines` takes the moves and
results of large collections from the kernels, and has only those games played in which a word, a
comment or a fault needs it.
"""
