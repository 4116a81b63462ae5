"""What trains a model: the trainer, its data, optimizers and checkpoints."""
