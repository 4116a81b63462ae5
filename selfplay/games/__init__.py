"""Self-play games and what they start from and leave behind: openings, actors, replay files."""
