"""A game against Aino in the terminal: board, move input, the game loop and its PGN."""
