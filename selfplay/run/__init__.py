"""A training run in a folder: configuration, ledger, and the phases generate, fit and gate."""
