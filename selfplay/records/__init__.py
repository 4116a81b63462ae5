"""Games and their training targets, in memory and on disk: the base of all other self-play
packages.
"""
