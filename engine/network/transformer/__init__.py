"""The transformer: attention between the 64 squares of a board, as in Lc0's networks since 2023.

model        the network as layers, for training
inference    the fused path for playing: the layout of the weights; `embedding_steps` computes
"""
