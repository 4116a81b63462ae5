"""Readers of labels and games into position sets, labelling, and the sampling of training batches."""
