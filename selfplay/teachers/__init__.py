"""Teachers: who labels positions for training. Here the ones that work inside the process, from a foreign value net."""
