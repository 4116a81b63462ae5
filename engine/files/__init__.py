"""Complete files or none: atomic writes, `.dit` nets, NumPy archives, TOML. Nothing that is read is ever executed."""
