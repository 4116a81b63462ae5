"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `tree` struct of arrays and sign convention, `select` the formulas, `descend` the way down, `judge` the
                 rules at a leaf, `backup` the way up, `proofs` bounds, `reroot` the subtree of the move played
    visits       `visits` in bulk inside kernels, `run` carries them out over threads
    one search   `session` and `root` the tree as an object,
                 `limits`, `clock` and `stopping` end it, `report`, `results` and `outline` tell, `choice` and
                 `strength` pick the move, `driver` joins them; `control` is how others interfere, `book` needs no
                 search

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no learning library.
"""
