"""Programs to run from a clone; no part of the installed package."""
