"""Shared parts of the terminal commands: consoles, waiting, reading positions, verdicts and names
in words.
"""
