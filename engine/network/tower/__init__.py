"""The tower family: residual blocks over planes.

model        as layers, for training; `attention_policy` is a head of its own
inference    the fused path for playing: `folding` makes its weights; `fused_steps`, `fused_heads`, `fused_policy`
             are the pass, `input_layer`, `fused_winograd`, `multiply` and `smooth` what it consists of
gpu          the layers on a device, for playing
"""
