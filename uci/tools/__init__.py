"""Commands that print one answer and end: perft, nets."""
