"""The reference of the learning library covers every public name, and every public name has a docstring."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import engine.nn
from engine.nn.layer import REGISTRY
from engine.nn.losses import LOSSES
from engine.nn.reference import CHAPTERS, NOT_FOR_USERS, members, reference

ROOT = Path(__file__).resolve().parents[3]
INNER = tuple(f"engine.nn.{name}" for name in NOT_FOR_USERS)


def library_modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(engine.nn.__path__, "engine.nn."):
        if not found.name.startswith(INNER):
            yield importlib.import_module(found.name)


PUBLIC = [
    pytest.param(value, id=f"{module.__name__}.{name}")
    for module in library_modules()
    for name, value in members(module).items()
]


@pytest.fixture(scope="module")
def page() -> str:
    return reference()


@pytest.mark.parametrize("value", PUBLIC)
def test_public_name_is_documented_and_in_the_reference(page: str, value: type) -> None:
    text = inspect.getdoc(value)
    assert value.__doc__, "no docstring of its own"
    assert f"#### `{value.__name__}(" in page
    assert text is not None
    assert text in page


def test_what_the_package_exports_is_in_the_reference(page: str) -> None:
    tables = {name for name in engine.nn.__all__ if isinstance(getattr(engine.nn, name), dict)}
    assert tables == {"LOSSES", "REGISTRY"}
    assert not [name for name in set(engine.nn.__all__) - tables if f"#### `{name}(" not in page]
    assert not [name for name in LOSSES if f"#### `{name}(" not in page]
    inner = [layer for layer in REGISTRY.values() if layer.__module__.startswith("engine.nn")]
    assert not [layer.kind for layer in inner if f'files: `"{layer.kind}"`' not in page]


def test_defaults_and_types_stand_in_the_signatures(page: str) -> None:
    assert "#### `Dense(inputs: int, outputs: int, rng: np.random.Generator, initialization: str = 'he')`" in page
    assert "- `.from_config(config: Mapping[str, Any], rng: np.random.Generator) -> Self`" in page


def test_modules_without_a_chapter_come_last(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CHAPTERS, "Losses")
    changed = reference()
    assert changed.index("#### `huber(") > changed.index("## More")
    assert page.index("#### `huber(") < page.index("## Training")


def test_one_command_writes_the_reference(page: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engine.nn.reference"]
    path = tmp_path / "reference.md"
    subprocess.run([*command, "--out", str(path)], cwd=ROOT, check=True)
    assert path.read_text(encoding="utf-8") == page
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8")
    assert printed.stdout == page
