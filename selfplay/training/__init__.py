"""What all families train with: data, batches, the learner, losses, held-out scores."""
