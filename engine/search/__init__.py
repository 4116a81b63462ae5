"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `params` every constant, `tree` the table of fields and the sign convention, `puct` the formulas,
                 `visit` a visit down and up, `proofs` certain results, `transpositions` nodes with the same position,
                 `priors` who changes them, `reroot` the subtree of the move that was played, `recycle` a full tree
    visits       `visits` in bulk inside kernels; `walkers` carries them out whole on several threads, `batches` in
                 batches over the threads of `crew`, `run` one of both; `table_answers` is asked about leaves, and
                 `hints` says what visits may overlook
    one search   `session` and `root` the tree as an object, `limits` with clock and control, `result` and `report` what
                 it tells, `choice` the move at the end, `gumbel` another root; `job` joins them, and
                 `beside_mates` goes on for further lines
    no search    `book` the opening book

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no learning library.
"""
