"""The policy network: proposes moves from pieces and their attacks, and judges what is not calm.

policy_features     the inputs made from a position, including the quiescence balance, for playing and training alike
moves               what it knows of each legal move
sparse_parameters   sizes, and parameters in the layout of the kernels; the name of both networks together
sparse_model        both networks as layers, for files and training
integers            the integers that it plays with
sparse_play         the kernels that search calls, for this network alone and for both
policy_gradients    the forward and backward pass of training
"""
