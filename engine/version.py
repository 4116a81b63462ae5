"""Aino's version, beneath everything: files that are saved tell it."""

__version__ = "1.1.0"
