"""The sparse family: pieces with their attacks as features, one accumulator, logits of legal moves only.

features     what it sees of a position, settled captures included: the same for playing and training
parameters   its sizes, and its parameters as the kernels want them
model        as layers, for training
inference    the kernel that search calls; `rows` is what it consists of
gradients    the passes of training over tables
"""
