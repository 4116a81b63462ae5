"""What looks ahead without a tree, below the networks, which may be told its results.

`see` counts an exchange on one square, `classical` judges a position as it stands, `quiescence` settles its captures,
`mates` finds short forced mates, `alphabeta` searches over material.
"""
