"""Files that are whole or not there: atomic writing, `.dit` nets, NumPy archives. Nothing read from them is run."""
