"""Reads and writes files: `.dit` nets, text, TOML. Writing is atomic, and reading never executes
anything.
"""
