"""Prepares an engine: leaves out options that it refuses, and compiles kernels once for all
processes.
"""
