"""Teachers label positions for training. They run inside the process, on Stockfish's value net."""
