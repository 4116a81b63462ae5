"""What the commands `aino` and `aino-train` share: subcommands, flags and files of options,
consoles, the machine.

The player needs none of it.
"""
