"""The tower: residual blocks over planes.

tower_model  the tower as layers, for training
tower_play   the fused path for playing: the layout of the weights; `fused_steps` and `input_layer` compute
"""
