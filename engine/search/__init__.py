"""Monte Carlo tree search guided by an evaluator (PUCT), with proven results.

    the tree     `tree/` holds the arrays, the formulas and what one visit does: all kernels
    visits       `visit_loop` asks for them over threads for an evaluator inside kernels, `batches` for another;
                 `tactical_priors` says what they may overlook
    one search   `search_tree_state` the tree as an object, `limits` what it may use, `clock` and `time_use` how long,
                 `job` what others stop and wait for, `move_choice` its inputs and the move that is played,
                 `result` and `report` its outputs; `search_loop` joins them
    players      `book` knows openings; `levels`, `like_people` and `human_time` play as people do

Knows batched evaluators by their protocol and in-kernel ones by their kernel, and imports no
learning library.
"""
