"""The tower family: residual blocks over planes.

model        the tower as layers, for training; `attention_policy` is its attention head
inference    the fused path for playing: `folding` makes the weights; `fused_steps`, `fused_heads`, `fused_policy` are
             the pass; `input_layer`, `fused_winograd`, `multiply` and `smooth` are its parts
gpu          the layers on a device, for playing
"""
