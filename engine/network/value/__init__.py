"""The value network: judges calm positions from pieces on squares, by the square of a king, seen by
either side.

features     the rows of a position
parameters   the network's sizes, and its parameters in the layout of the kernels
inference    the kernel that search calls: accumulators that follow the search by differences
gradients    the forward and backward pass of training
"""
