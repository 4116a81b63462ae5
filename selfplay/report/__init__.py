"""The report of runs: one self-contained HTML file with curves and tables, and the numbers for
other programs.

metrics.py          a run's numbers as rows, and as JSON, CSV and TensorBoard's events
run_numbers.py      reads them from the folder of a run of `loop` or `pretrain`
seed_groups.py      runs that differ by their seeds alone: means and intervals
page.py             fills the template of the page about one run
comparison_page.py  fills that of the page about several
"""
