"""The policy network: proposes moves from pieces and their attacks, and judges what is not calm.

features     the inputs made from a position, including the quiescence balance, for playing and training alike
moves        what it knows of each legal move
parameters   the network's sizes, and its parameters in the layout of the kernels; the name of both networks together
model        both networks as layers, for files and training
integers     the integers that it plays with
inference    the kernels that search calls, for this network alone and for both
gradients    the forward and backward pass of training
"""
