"""The value trunk of sparse networks."""
