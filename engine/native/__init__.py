"""What the rest stands on: compiled kernels, vectors of sixteen numbers, threads and locks; alone imports numba."""
