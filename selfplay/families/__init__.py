"""The network families: how networks of planes, of sparse features and value trunks are trained and
scored.
"""
