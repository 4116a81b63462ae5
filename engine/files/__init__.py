"""Complete files or none: atomic writes, `.dit` nets, NumPy archives. Nothing that is read is ever executed."""
