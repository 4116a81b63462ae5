"""The report of a run: one HTML file that loads nothing, with its curves, its openings and games to step through.

facts.py         what the ledger and the replay say, by generation
opening_tree.py  the tree of first moves
samples.py       games chosen to be looked at, ply by ply
charts.py        curves as SVG shapes, their scales as text around them
page.py          the page from its template
"""
