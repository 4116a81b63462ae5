"""Measurements of games and data. Each is a command: `python -m selfplay.measure.NAME --help`."""
