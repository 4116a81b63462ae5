"""The conversation with a GUI: words, options, searches, and the one writer that owns stdout."""
