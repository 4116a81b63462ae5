"""Plays self-play games: settings, players, actors, resignation."""
