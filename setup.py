"""The settings are in pyproject.toml. This builds in a temporary folder: of one that stays in the
clone, the next `pip install .` would take modules that are there no more.
"""

import tempfile

from setuptools import setup

with tempfile.TemporaryDirectory() as folder:
    setup(options={"build": {"build_base": folder}})
