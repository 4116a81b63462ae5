"""Monte Carlo tree search guided by an evaluator (PUCT), with proven wins and losses.

`tree` holds the struct of arrays and the sign convention, `select` the formulas, `gather` walks down and collects a
round of leaves, `backup` applies their evaluations, `session` joins them behind one object, `limits` and `clock` decide
when to stop, `results` names what comes out. Knows evaluators by their protocol and imports no network.
"""
