"""The base layer: compiled kernels, 16-lane vectors, threads and locks. The only package that
imports numba.
"""
