"""The report of a run: one self-contained HTML file with curves, openings, and games to step through.

facts.py         the numbers of each generation, from the run database and the replay games
opening_tree.py  the tree of first moves
samples.py       a few games to step through ply by ply
charts.py        curves as SVG shapes, with their scales as text around them
page.py          fills the page's template; pretraining_page.py that of a training
live.py          serves the page of a run that goes on, to this machine alone
metrics.py       the numbers as rows, for other programs; comparison_page.py draws those of several runs
seed_groups.py   runs that differ by their seeds alone: means and intervals
"""
