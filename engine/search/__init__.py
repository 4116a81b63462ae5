"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `params` every constant, `tree` the table of fields and the sign convention, `puct` the formulas,
                 `walk` a visit down and up with its proofs, `twins` nodes with the same position, `priors` who changes
                 them, `reroot` the subtree of the move that was played, `recycle` a full tree
    visits       `visits` in bulk inside kernels, `run` carries them out, over the threads of `crew`; `advice` says what
                 they may overlook
    one search   `session` and `root` the tree as an object, `limits` with clock and control, `result` and `report` what
                 it tells, `choice` the move at the end, `gumbel` another root; `job` joins them
    no search    `book` the opening book

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no learning library.
"""
