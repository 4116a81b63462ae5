"""The learning library's reference as Markdown, from its docstrings: `python -m engine.nn.reference --out FILE`."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import engine.nn

__all__ = ["CHAPTERS", "chapter_modules", "main", "members", "reference"]

# Title -> modules and packages of `engine.nn`, in the order of the page; unlisted modules come at the end.
CHAPTERS: dict[str, tuple[str, ...]] = {
    "What a layer is": ("layer",),
    "Layers and activations": ("layers",),
    "Losses": ("losses",),
    "Optimizers, schedules, clipping, averaging": ("optimizers", "schedules", "clipping", "averaging"),
    "Training": ("trainer", "history", "checkpoint", "progress", "parallel"),
    "Files": ("dit", "legacy"),
}
NOT_FOR_USERS = ("examples", "operations", "reference")

Documented = type | Callable[..., object]


def reference() -> str:
    """Return the whole page as Markdown."""
    chapters = _all_chapters()
    parts = ["# `engine.nn`\n", _text(engine.nn), "", *(f"- [{title}](#{_anchor(title)})" for title in chapters)]
    for title, names in chapters.items():
        parts.append(f"\n## {title}")
        for name in names:
            for module in chapter_modules(name):
                parts.extend(_module_section(module))
    return "\n".join(parts) + "\n"


def _all_chapters() -> dict[str, tuple[str, ...]]:
    named = {name for names in CHAPTERS.values() for name in names}.union(NOT_FOR_USERS)
    others = tuple(found.name for found in pkgutil.iter_modules(engine.nn.__path__) if found.name not in named)
    return {**CHAPTERS, "More": others} if others else CHAPTERS


def chapter_modules(name: str) -> Iterator[ModuleType]:
    """Yield the module `engine.nn.NAME`, or the modules of that package."""
    module = importlib.import_module(f"engine.nn.{name}")
    if not hasattr(module, "__path__"):
        yield module
        return
    for found in pkgutil.iter_modules(module.__path__):
        yield importlib.import_module(f"{module.__name__}.{found.name}")


def members(module: ModuleType) -> dict[str, Documented]:
    """Return the public classes and functions that a module defines, in source order."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


def _module_section(module: ModuleType) -> Iterator[str]:
    found = members(module)
    if not found:
        return
    yield f"\n### `{module.__name__}`\n"
    yield _text(module)
    for name, value in found.items():
        yield f"\n#### `{name}{_signature(value)}`\n"
        kind = vars(value).get("kind") if inspect.isclass(value) else None
        if isinstance(kind, str) and kind:
            yield f'In configurations and files: `"{kind}"`.\n'
        yield _text(value)
        if inspect.isclass(value):
            yield from _methods(value)


def _methods(owner: type) -> Iterator[str]:
    """Yield the public methods and properties that a class itself defines and documents."""
    for name, value in vars(owner).items():
        method = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if name.startswith("_") or not (inspect.isfunction(method) or isinstance(method, property)):
            continue
        if method.__doc__:  # only its own docstring; the base class's entry shows an inherited one
            yield f"\n- `.{name}{'' if isinstance(method, property) else _signature(method)}`\n"
            yield _text(method)


def _text(value: object) -> str:
    """Format a docstring as a code block, so that shapes and formulas stay aligned."""
    return f"```text\n{inspect.getdoc(value) or ''}\n```"


class _Words(str):
    """An annotation that prints exactly as in the source."""

    def __repr__(self) -> str:
        return str(self)


def _signature(value: Documented) -> str:
    signature = inspect.signature(value)
    parameters = [
        parameter.replace(annotation=_bare(parameter.annotation))
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    returns = signature.empty if inspect.isclass(value) else _bare(signature.return_annotation)
    return str(signature.replace(parameters=parameters, return_annotation=returns))


def _bare(annotation: object) -> object:
    return _Words(annotation) if isinstance(annotation, str) else annotation


def _anchor(title: str) -> str:
    """Return the link anchor that Markdown viewers give a heading."""
    return "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -").replace(" ", "-")


def main() -> None:
    """Write the page to a file or to stdout."""
    parser = argparse.ArgumentParser(prog="python -m engine.nn.reference", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="Markdown file to write (default: stdout)")
    out = parser.parse_args().out
    if out is None:
        sys.stdout.write(reference())
    else:
        out.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
