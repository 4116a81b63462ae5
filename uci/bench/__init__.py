"""`aino bench`: how fast this machine is, and whether the search is unchanged."""
