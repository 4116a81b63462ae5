"""What the value and the policy network share: sums of table rows, small layers chosen by the
number of pieces.
"""
