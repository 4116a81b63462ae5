"""What all web pages share. A page is one file that loads nothing; each package adds templates and a style of its own.

render.py   environments for templates, and putting a page in place
board.py    boards as SVG
chart.py    places, curves and areas in a chart's box
templates/  the frame of a page, macros for its parts, the common style and the script that goes through games
"""
