"""The transformer: attention between the 64 squares of a board, as in Lc0's networks since 2023.

transformer_model  the network as layers, for training
transformer_play   the fused path for playing: the layout of the weights; `embedding_steps` computes
"""
