"""Networks that predict what a player of a given rating does."""
