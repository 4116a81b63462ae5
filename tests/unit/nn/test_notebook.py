"""The notebook: small, free of its author's machine, and every cell runs."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine.nn.examples

PATH = Path(engine.nn.examples.__file__).parent / "first_network.ipynb"
LARGEST = 60_000  # bytes, with its outputs
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def no_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw into memory, and close every figure afterwards."""
    matplotlib = pytest.importorskip("matplotlib")
    before = matplotlib.get_backend()
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")
    matplotlib.use(before)


def test_the_notebook_is_small_and_says_that_there_is_no_autograd() -> None:
    assert PATH.stat().st_size < LARGEST
    assert "no autograd" in "".join(NOTEBOOK["cells"][0]["source"])
    assert NOTEBOOK["nbformat"] == 4
    assert set(NOTEBOOK["metadata"]) == {"kernelspec", "language_info"}
    assert not any(cell["metadata"] for cell in NOTEBOOK["cells"])


@pytest.mark.usefixtures("no_windows")
def test_every_cell_of_the_notebook_runs_and_prints_what_the_text_promises() -> None:
    """As plain Python: no notebook program is needed."""
    names: dict[str, object] = {}
    printed = []
    for number, source in enumerate(CODE):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(source, f"cell {number}", "exec"), names)
        printed.append(out.getvalue())
    text = "".join(printed)
    assert "[1, 64]" in text
    formula, difference = text.partition("formula ")[2].split()[:3:2]
    assert float(formula) == pytest.approx(float(difference), abs=1e-7)
    assert float(text.partition("held-out accuracy ")[2].partition("%")[0]) > 85
    assert printed[-1].count("\n- ") + 1 == 4
    assert "reshape targets to [-1]" in printed[-1]


def test_the_notebook_runs_in_a_kernel(tmp_path: Path) -> None:
    """Where the extra `notebook` is installed."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=250, startup_timeout=250, resources=place).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
