"""Lc0's network files (`.pb`, `.pb.gz`): convolutional towers in and out.

    wire        the protocol-buffers wire format
    schema      messages, field numbers and the names of formats
    formats     which tower each of Lc0's formats is, and which formats are refused
    tensor_map  where a file holds each tensor of a tower
    reader      file -> tower          writer   tower -> file
    tower_file  a tower in a file of either kind, ours or Lc0's

The code is checked against lc0's own answers on two nets (64x6 with WDL, 32x4 with a scalar value; both with
squeeze-and-excitation and a convolutional policy). Classical and attention policies, moves left and mish have no
reference net: an independent plain reader of the format checks them on generated files.
"""
