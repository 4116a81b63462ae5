"""The tower family: residual blocks over planes.

model        the tower as layers, for training; `attention_policy` is its attention head
inference    the fused path for playing: `folding` prepares the weights; `fused_steps`, `fused_heads`, `fused_policy`
             compute the forward pass from `input_layer`, `fused_winograd`, `multiply` and `smooth`
gpu          the layers on a GPU, for playing
"""
