"""Reads and writes files: `.dit` nets, NumPy archives, TOML. Writing is atomic, and reading never executes anything."""
