"""The UCI conversation with a GUI: commands, options, searches, and the one writer that owns
stdout.
"""
