"""The web pages of `aino annotate` and `aino explain`: their templates, over those of
`engine.pages`.
"""
