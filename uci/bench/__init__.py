"""How fast this machine is, and whether the search is the one that it was: `aino bench`.

Longer measurements are commands of their own, `python -m uci.bench.NAME --help`: startup, stop_latency, inference,
inference_memory, nodes_per_evaluation, mates, regret.
"""
