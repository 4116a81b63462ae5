"""How Aino sees a position, as a web page: policy, search, threats, the parts of the value, worths
of pieces.
"""
