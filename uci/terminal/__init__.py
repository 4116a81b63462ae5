"""What the commands for people share: consoles, waiting, positions as people give them, verdicts and names in words."""
