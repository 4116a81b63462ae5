"""Between the board and the learning library: input planes, the policy map, network families, net files.

Each family is a room of one shape: `model` builds it from layers, `inference` plays with it, `gradients` or `gpu` where
there is a path of its own for training or a device. `weights` finds and loads nets of any family.
"""
