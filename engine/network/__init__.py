"""Between the board and the learning library: input planes, the policy map, network families, net
files.

In this order, each importing only what stands before it:

outputs, manifest, planes, policy_map, input_formats    what all networks share
accumulator             arithmetic of sparse networks
fused                   what towers and transformers share: layers, tensors by name, kernels
value, sparse           the two trunks of what plays by default: one judges, the other proposes
tower, transformer      networks of planes
families                tells networks of planes apart
lc0                     files of towers and transformers
device_network          networks of planes on a GPU
weights                 finds and loads nets of any family
people                  predicts what players do
weightless, onnx_graph  small networks for compiling, and export

In a family's folder, `..._model` is made of layers, `..._play` plays, and `..._gradients` trains.
"""
