"""The notebooks: small, free of their author's machine; every cell runs and what is claimed comes
true.
"""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

import engine.nn

FOLDER = Path(engine.nn.__file__).parent
FIRST = FOLDER / "course" / "first_network.ipynb"
COURSE = sorted((FOLDER / "course").glob("[0-9]*.ipynb"))
LARGEST = 100_000  # bytes, with its outputs
# Those that train for a second or more are slow.
TO_RUN = [
    pytest.param(path, marks=[pytest.mark.slow] * (not path.stem.startswith(("1_", "10_"))))
    for path in COURSE
]
# What a notebook of the course prints at its end, as a pattern with a number, and between which
# numbers that lies.
LEARNED = {
    "1_neuron": (r"loss [\d.]+ -> ([\d.e-]+)", 0, 1e-6),
    "2_softmax": (r"32 bends +held-out accuracy ([\d.]+)%", 90, 100),
    "3_convolution": (r"convolution .* accuracy ([\d.]+)%", 90, 100),
    "4_recurrent": (r"GRU: held-out error ([\d.]+)", 0, 0.05),
    "5_attention": (r"letters right ([\d.]+)%", 90, 100),
    "6_policy_value": (r"(?m)^trained: perfect against every reply with (\d+) visits", 1, 800),
    "7_optimizers": (r"momentum rate [\d.]+: loss [\d.]+ -> ([\d.]+)", 0, 0.8),
    "8_normalisation": (r"batch norm .* after 8 epochs ([\d.]+)", 0, 0.2),
    "9_debugging": (r"mended, 150 steps: loss [\d.]+ -> ([\d.]+)", 0, 0.1),
    "11_chess": (
        r"2,000 examples.* held-out ([\d.]+)%[\s\S]*against chance: wins (?:[6-9]|10),",
        70,
        100,
    ),
    "12_sequences": (r"of 999 that it never saw: ([\d.]+)%", 90, 100),
    "13_transfer": (r"gained by the frozen trunk: ([\d.]+) points", 2, 30),
    "14_branches": (r"U-Net .* held-out overlap ([\d.]+)%", 75, 100),
    "10_autodiff": (r"values alone: loss [\d.]+ -> ([\d.]+)", 0, 0.4),
}


def cells(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def printed(path):
    """What every cell prints, run as plain Python: no notebook program is needed."""
    names = {"__name__": "notebook"}
    texts = []
    for number, source in enumerate(cells(path, "code")):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(source, f"{path.name}, cell {number}", "exec"), names)
        texts.append(out.getvalue())
    return texts


@pytest.fixture
def no_windows(monkeypatch):
    """Draw into memory, and close every figure afterwards."""
    matplotlib = pytest.importorskip("matplotlib")
    before = matplotlib.get_backend()
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")
    matplotlib.use(before)


@pytest.mark.parametrize("path", [FIRST, *COURSE], ids=lambda path: path.stem)
def test_a_notebook_is_free_of_its_authors_machine(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < LARGEST
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert not any(cell["metadata"] for cell in notebook["cells"])


@pytest.mark.usefixtures("no_windows")
def test_the_first_notebook_prints_what_its_text_promises():
    texts = printed(FIRST)
    text = "".join(texts)
    formula, difference = text.partition("formula ")[2].split()[:3:2]
    assert float(formula) == pytest.approx(float(difference), abs=1e-7)
    assert float(text.partition("held-out accuracy ")[2].partition("%")[0]) > 85
    assert texts[-1].count("\n- ") + 1 == 4
    assert "expected targets [32] or [32, 10]" in texts[-1]


@pytest.mark.usefixtures("no_windows")
@pytest.mark.parametrize("path", TO_RUN, ids=lambda path: path.stem)
def test_a_notebook_of_the_course_keeps_its_promises(path):
    text = "".join(printed(path))
    assert "WRONG" not in text, "a gradient"
    assert "False" not in text, "a formula"
    pattern, least, most = LEARNED[path.stem]
    found = re.search(pattern, text)
    assert least <= float(found[1]) <= most
    assert '"image/png"' in path.read_text(encoding="utf-8"), "a picture"
    *_, exercises, solutions = cells(path, "markdown")
    assert [text.partition("\n")[0] for text in (exercises, solutions)] == [
        "## Exercises",
        "## Solutions",
    ]
    assert re.findall(r"(?m)^\d", exercises) == re.findall(r"(?m)^\d", solutions)


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_a_notebook_of_the_course_is_bound_into_the_reading(path):
    assert f"(course/{path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", "".join(cells(path, "markdown")))
    assert links
    assert not [link for link in links if not (path.parent / link).exists()]
