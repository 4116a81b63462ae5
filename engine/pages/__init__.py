"""Code that all web pages share. A page is one file that loads nothing; each package adds its own
templates and style.

render.py   template environments, and writing a page to its file
board.py    boards as SVG
chart.py    points, lines and areas in a chart's box
templates/  the frame of a page, macros for its parts, the common style and the script that steps through games
"""
