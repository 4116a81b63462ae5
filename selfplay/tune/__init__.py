"""Tuning numeric options of a UCI engine by matches of the engine against itself."""
