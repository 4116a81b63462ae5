"""Shared parts of the terminal commands: consoles, waiting, reading positions, evaluations and names
in words.
"""
