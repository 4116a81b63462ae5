"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `tree` the table of fields and the sign convention, `params` what a search is told, `puct` the
                 formulas, `walk` a visit down and up with its proofs, `priors` who changes them, `reroot` the subtree
                 of the move played
    visits       `visits` in bulk inside kernels, `run` carries them out over threads, `advice` what they may overlook
    one search   `session` and `root` the tree as an object, `limits`, `clock` and `stopping` end it, `report`,
                 `results` and `outline` tell, `choice`, `strength` and `gumbel` pick the move, `driver` joins them;
                 `job` is the handle and `control` how others interfere, `book` needs no search

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no learning library.
"""
