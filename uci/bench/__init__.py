"""`aino bench`: how fast this machine is, and whether the search is unchanged.

Longer measurements have their own commands, `python -m uci.bench.NAME --help`: startup, stop_latency, inference,
inference_memory, nodes_per_evaluation, mates, regret, marks.
"""
