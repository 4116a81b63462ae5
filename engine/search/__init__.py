"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `params` every constant, `tree` the table of fields and the sign convention, `puct` the formulas,
                 `priors` a node's edges, `heuristics` what visits found about moves elsewhere (`butterfly`), `proofs`
                 certain results, `transpositions` nodes with the same position, `visit` a visit down and up, `room`
                 what gives way in a full tree or below another move
    visits       `visits` in bulk inside kernels; `run` over threads for an evaluator inside kernels, `batches` for
                 another; `hints` says what they may overlook
    one search   `session` and `root` the tree as an object, `root_moves` what changes its moves, `limits` with the
                 clock, `order` its inputs, `result` and `report` its outputs, `choice` the move that is played;
                 `driver` joins them, and `job` is what others stop and wait for

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no learning library.
"""
