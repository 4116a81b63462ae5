"""The sparse family: pieces with their attacks as features, one accumulator, and logits of legal moves only.

features     the inputs made from a position, including the quiescence balance, for playing and training alike
parameters   the network's sizes, and its parameters in the layout of the kernels
value_features, value_parameters    the same of the value trunk, which a network may have besides
model        the network as layers, for training
inference    the kernel that search calls, built from `rows`
gradients    the forward and backward pass of training
"""
