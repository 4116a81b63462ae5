"""The sparse family: pieces with their attacks as features, one accumulator, logits of legal moves only."""
