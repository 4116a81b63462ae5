"""Matches between engines and what can be concluded from them."""
