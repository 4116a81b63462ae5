"""Self-play games: the actors that play them, and how they are played."""
