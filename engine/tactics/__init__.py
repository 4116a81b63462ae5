"""Tactical search without a tree. It lies below the networks, which may take its results as input.

`see` counts an exchange on one square, `classical` evaluates a position statically, `quiescence`
resolves its captures, `mates` finds short forced mates, and `alphabeta` searches over material.
"""
