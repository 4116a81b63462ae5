"""Accuracy and the confusion matrix."""

import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, DataError, ShapeError
from engine.nn import accuracy, confusion_matrix, plot_confusion

OUTPUTS = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [5.0, 4.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
TRUTH = np.array([0, 1, 1, 2])


def test_accuracy_takes_classes_rows_of_probabilities_and_the_sign_of_a_yes_or_no() -> None:
    assert accuracy(OUTPUTS, TRUTH) == 0.75
    assert accuracy(OUTPUTS, np.eye(3)[TRUTH]) == 0.75
    logits = np.array([[2.0], [-1.0], [-3.0], [0.5]])
    assert accuracy(logits, np.array([[1], [0], [1], [1]])) == 0.75


@pytest.mark.parametrize("targets", [np.zeros(3, int), np.zeros((4, 2)), np.zeros((4, 1), int)])
def test_accuracy_refuses_shapes_that_would_broadcast(targets: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="do not fit"):
        accuracy(OUTPUTS, targets)
    with pytest.raises(ShapeError, match="do not fit"):
        accuracy(OUTPUTS[:, 0], TRUTH)


def test_rows_are_the_truth_and_columns_the_answers() -> None:
    matrix = confusion_matrix(OUTPUTS, TRUTH)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert matrix.trace() / matrix.sum() == accuracy(OUTPUTS, TRUTH)


def test_confusion_refuses_targets_that_are_no_classes() -> None:
    with pytest.raises(DataError, match="classes 0 to 2, found 0 to 3"):
        confusion_matrix(OUTPUTS, np.array([0, 1, 2, 3]))
    for targets in (np.eye(3)[TRUTH], TRUTH.astype(float), TRUTH[:3]):
        with pytest.raises(ShapeError, match=r"integer targets \[B\]"):
            confusion_matrix(OUTPUTS, targets)


def test_a_picture_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[plots\]'"):
        plot_confusion(np.eye(2, dtype=int), tmp_path / "none.png")


def test_confusion_is_drawn_with_its_classes(tmp_path: Path) -> None:
    matrix = confusion_matrix(OUTPUTS, TRUTH)
    plot_confusion(matrix, tmp_path / "small.svg", ["cat", "dog", "ox"], "pets")
    plot_confusion(np.zeros((10, 10), int), tmp_path / "empty.png")
    text = (tmp_path / "small.svg").read_text(encoding="utf-8")
    for word in ("cat", "ox", "pets", "answered", "true class"):
        assert f"<!-- {word} -->" in text, word
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ShapeError, match="2 rows"):
        plot_confusion(matrix, tmp_path / "none.png", ["cat", "dog"])
