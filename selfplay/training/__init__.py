"""The learner: batches from position sets, one optimisation step, checkpoints, held-out evaluation, pretraining."""
