"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `tree/` holds the arrays, the formulas and what one visit does: all kernels
    visits       `run` asks for them over threads for an evaluator inside kernels, `batches` for another; `hints` says
                 what they may overlook
    one search   `session` the tree as an object, `limits` what it may use and what others stop and wait for, `choice`
                 its inputs and the move that is played, `result` and `report` its outputs; `driver` joins them

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no
learning library.
"""
