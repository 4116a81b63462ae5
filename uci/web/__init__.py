"""A board in the browser: games against Aino and analysis on a page that this machine alone can
open.
"""
