"""Test suites and puzzles: positions with known answers, and what an engine finds of them."""
