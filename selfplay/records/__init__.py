"""What games and their training targets are, in memory and on disk; everything else of self-play stands on it."""
