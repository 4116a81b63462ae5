"""The `aino` command: UCI for chess GUIs, play and tools in the terminal. Imports `engine`, never `selfplay`."""

__version__ = "0.1.0"
