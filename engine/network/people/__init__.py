"""What a player of a given rating would do: a sparse network that knows the rating and the moves
before, and predicts moves.
"""
