"""Measurements of games and data, each a command: `python -m selfplay.measure.NAME --help`."""
