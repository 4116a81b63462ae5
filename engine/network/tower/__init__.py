"""The tower: residual blocks over planes.

model        the tower as layers, for training
inference    the fused path for playing: the layout of the weights; `fused_steps` and `input_layer` compute
gpu          the layers on a GPU, for playing
"""
