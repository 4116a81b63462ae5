"""Reads labels and games into position sets, labels positions, and samples training batches."""
