"""Between the board and the learning library: input planes, the policy map, network families, inference, net files."""
