"""Programs whose modules and kernels lie in a folder of the test's own."""

import pytest

from tests.new_process import output_of


@pytest.fixture
def output_here(tmp_path):
    """What such a program prints."""

    def output(program, **environment):
        folders = {"AINO_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path)}
        return output_of(program, **folders | environment)

    return output
