"""Lc0's network files (`.pb`, `.pb.gz`): towers and transformers in and out.

    schema      messages, field numbers and the names of formats
    formats     which network each of Lc0's formats is, and which formats Aino refuses
    tensor_map  where a file holds each tensor of a network
    reader      file -> network        writer   network -> file
    planes_file a network in a file of either kind, ours or Lc0's

The code is checked against lc0's own answers on two published towers and on generated networks of
every other kind.
"""
