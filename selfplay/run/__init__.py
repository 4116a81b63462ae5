"""A training run in a folder: configuration, run database, and the phases generate, fit and
gate.
"""
