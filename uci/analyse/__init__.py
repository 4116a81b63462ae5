"""Analysis in the terminal: the best lines of a position with scores and chances, live, as text or
as JSON.
"""
