"""The tree of a search: what it is, and what one visit does to it. All kernels of the search are
here.

    the tree     `params` every constant, `arrays` the table of fields and the sign convention, `puct` the formulas,
                 `priors` a node's edges, `butterfly` what visits found about moves elsewhere, `proofs`
                 certain results, `transpositions` one node for one position, `forgetting` what gives way in a full
                 tree or below another move, `repetitions` draws that depend on the way, `excluded_wins` those
                 beside which the search goes on
    visits       `visit` one visit on its way down, `backup` its way up, `visits` many of them inside kernels, alone or
                 beside other threads
    the root     `root` what is read from it in one go

Knows nothing of who asks for visits and when they stop (`engine.search`).
"""
