"""Plays self-play games: settings, players, seats."""
