"""The value network: judges calm positions from pieces on squares, by the square of a king, seen by
either side.

value_features     the rows of a position
value_parameters   the network's sizes, and its parameters in the layout of the kernels
value_model        the network as a layer, for files and training
value_play         the kernel that search calls: accumulators that follow the search by differences
value_gradients    the forward and backward pass of training
"""
