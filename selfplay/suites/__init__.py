"""Test suites and puzzles: positions with known answers, and how many of them an engine solves."""
