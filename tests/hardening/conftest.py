"""The engines of these tests find their kernels compiled: they end with their input, or have little
room.
"""

import pytest

from engine.options import EngineOptions
from uci.loading.patient import PatientEngine


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels():
    for evaluator in ("auto", "material"):
        with PatientEngine(EngineOptions(evaluator=evaluator, threads=1)) as engine:
            engine.wait()
