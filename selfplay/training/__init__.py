"""Network families, the learner they share, held-out scores, supervised pretraining."""
