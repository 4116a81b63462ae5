"""Sparse networks but for the value trunk: moves, and a value of their own."""
