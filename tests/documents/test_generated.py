"""The option table is up to date, and pdoc finds a docstring for every public name of the libraries."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import engine
import engine.nn
from tests.documents.generate import OPTIONS, with_option_table

INNER = ("engine.nn.course", "engine.nn.examples", "engine.nn.mending", "engine.nn.operations")


def test_the_option_table_is_what_the_options_say() -> None:
    page = OPTIONS.read_text(encoding="utf-8")
    assert with_option_table(page) == page, "run `python -m tests.documents.generate`"


def public_names() -> Iterator[object]:
    """What `engine` exports, and the classes and functions of the learning library's modules."""
    for name in engine.__all__:
        yield pytest.param(getattr(engine, name), id=f"engine.{name}")
    for found in pkgutil.walk_packages(engine.nn.__path__, "engine.nn."):
        if not found.name.startswith(INNER):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if not name.startswith("_") and getattr(value, "__module__", None) == found.name:
                    yield pytest.param(value, id=f"{found.name}.{name}")


@pytest.mark.parametrize("value", list(public_names()))
def test_public_name_has_a_docstring_of_its_own(value: object) -> None:
    assert value.__doc__ or not (inspect.isclass(value) or inspect.isfunction(value))
