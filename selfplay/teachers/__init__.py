"""Teachers label positions for training. These run inside the process on Stockfish's value net."""
