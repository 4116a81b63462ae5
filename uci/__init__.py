"""The `aino` command: UCI for chess GUIs, play and tools in the terminal. Imports `engine`, never `selfplay`."""

from engine import __version__ as __version__
