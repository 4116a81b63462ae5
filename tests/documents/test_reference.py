"""The committed reference is what the docstrings say, and covers every public name of the learning library."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

import engine
import engine.nn
from engine.nn.layer import REGISTRY
from engine.nn.losses import LOSSES
from tests.documents.generate import OPTIONS, ROOT, with_option_table
from tests.documents.reference import PAGES, chapter_modules, members, reference

FOLDER = ROOT / "docs" / "reference"
MEND = "run `python -m tests.documents.generate`"
NN = PAGES["nn.md"]
INNER = tuple(f"engine.nn.{name}" for name in NN.left_out)


def library_modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(engine.nn.__path__, "engine.nn."):
        if not found.name.startswith(INNER):
            yield importlib.import_module(found.name)


def page_members() -> Iterator[Any]:
    for page in PAGES.values():
        for name in (name for names in page.chapters.values() for name in names):
            for module in chapter_modules(f"{page.package}.{name}"):
                for member, value in members(module).items():
                    yield pytest.param(value, id=f"{module.__name__}.{member}")


PUBLIC = [
    pytest.param(value, id=f"{module.__name__}.{name}")
    for module in library_modules()
    for name, value in members(module).items()
]


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    return {name: reference(page) for name, page in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_reference_is_what_the_docstrings_say(name: str, pages: Mapping[str, str]) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages[name], MEND


def test_the_option_table_is_what_the_option_table_says() -> None:
    page = OPTIONS.read_text(encoding="utf-8")
    assert with_option_table(page) == page, MEND


@pytest.mark.parametrize("value", PUBLIC)
def test_public_name_of_the_learning_library_is_in_its_reference(value: type, pages: Mapping[str, str]) -> None:
    text = inspect.getdoc(value)
    assert value.__doc__, "no docstring of its own"
    assert f"#### `{value.__name__}(" in pages["nn.md"]
    assert text is not None
    assert text in pages["nn.md"]


@pytest.mark.parametrize("value", list(page_members()))
def test_name_in_the_reference_has_a_docstring(value: type) -> None:
    assert value.__doc__, "no docstring of its own"


def test_what_the_packages_export_is_in_the_reference(pages: Mapping[str, str]) -> None:
    tables = {name for name in engine.nn.__all__ if isinstance(getattr(engine.nn, name), dict)}
    assert tables == {"LOSSES", "REGISTRY"}
    assert not [name for name in set(engine.nn.__all__) - tables if f"#### `{name}(" not in pages["nn.md"]]
    assert not [name for name in LOSSES if f"#### `{name}(" not in pages["nn.md"]]
    inner = [layer for layer in REGISTRY.values() if layer.__module__.startswith("engine.nn")]
    assert not [layer.kind for layer in inner if f'files: `"{layer.kind}"`' not in pages["nn.md"]]
    assert not [name for name in engine.__all__ if f"#### `{name}(" not in pages["engine.md"]]


def test_defaults_and_types_stand_in_the_signatures(pages: Mapping[str, str]) -> None:
    assert "#### `Limits(...)`" in pages["engine.md"]
    assert "\nmovetime_ms: int | None = None\nnodes: int | None = None  # Visits of the root" in pages["engine.md"]
    assert "- `.search(limits: Limits, on_info: OnInfo | None = None," in pages["engine.md"]
    assert "- `.from_config(config: Mapping[str, Any], rng: np.random.Generator) -> Self`" in pages["nn.md"]


def test_modules_without_a_chapter_come_last(pages: Mapping[str, str]) -> None:
    fewer = {title: names for title, names in NN.chapters.items() if title != "Losses"}
    changed = reference(replace(NN, chapters=fewer))
    assert changed.index("#### `huber(") > changed.index("## More")
    assert pages["nn.md"].index("#### `huber(") < pages["nn.md"].index("## Training")
