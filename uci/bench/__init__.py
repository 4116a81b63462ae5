"""`aino bench`: how fast this machine is, and whether the search is the one that it was."""
