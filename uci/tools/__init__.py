"""Commands that answer one question and end: perft, nets."""
