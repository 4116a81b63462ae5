"""Between the board and the learning library: input planes, the policy map, network families, net
files.

Every family has the same modules: `model` builds it from layers, `inference` plays with it, and
`gradients` or `gpu` is its special path for training or a device. `families` joins towers and
transformers, whose layers share `model_parts` and whose kernels share `fused`. `weights` finds and
loads nets of any family.
"""
