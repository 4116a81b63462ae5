"""Positions to train on: compact sets of games with targets, their readers, and batch sampling."""
