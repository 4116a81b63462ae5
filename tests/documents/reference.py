"""The reference of the public names as Markdown, made from their docstrings.

`python -m tests.documents.generate` writes the pages to `docs/reference`; a test compares them with the docstrings.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from types import ModuleType
from typing import cast

__all__ = ["PAGES", "Page", "chapter_modules", "members", "reference"]

Documented = type | Callable[..., object]


@dataclass(frozen=True)
class Page:
    """A page of the reference: which package, and the modules of each chapter, in the order of the page.

    A module may be a package, which stands for all its modules. `covers_all` demands that the modules that are neither
    in a chapter nor in `left_out` form a last chapter.
    """

    package: str
    chapters: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()
    covers_all: bool = False


PAGES: Mapping[str, Page] = {
    "engine.md": Page(
        "engine",
        {
            "The engine": ("player", "options", "option_forms"),
            "A search and its result": ("search.limits", "search.result", "search.job"),
            "Evaluators": ("evaluation.protocol", "evaluation.factory"),
            "Positions": ("board.fen", "board.convert", "board.pgn"),
            "Errors": ("errors",),
        },
    ),
    "nn.md": Page(
        "engine.nn",
        {
            "What a layer is": ("layer", "summary"),
            "Layers and activations": ("layers",),
            "Losses": ("losses",),
            "Optimizers, schedules, clipping, averaging": ("optimizers", "schedules", "clipping", "averaging"),
            "Examples to learn from": ("data", "augmentation"),
            "Training": ("trainer", "callbacks", "history", "metrics", "checkpoint", "progress", "parallel"),
            "Files": ("dit", "legacy"),
        },
        left_out=("examples", "mending", "operations"),
        covers_all=True,
    ),
    "selfplay.md": Page(
        "selfplay",
        {
            "Games and targets": ("records.game", "records.positions", "records.store", "records.targets"),
            "Reading games": ("data.pgn",),
            "Training": ("training.recipe", "training.families", "training.learner", "training.pretraining"),
            "Runs": ("run.config", "run.folder", "run.phases"),
            "Matches": (
                "matches.contestant",
                "matches.control",
                "matches.series",
                "matches.adjudication",
                "matches.statistics",
            ),
            "Suites and puzzles": ("suites.epd", "suites.puzzles", "suites.score", "suites.solver"),
        },
    ),
}


def reference(page: Page) -> str:
    """Return a whole page as Markdown."""
    chapters = _all_chapters(page)
    package = importlib.import_module(page.package)
    parts = [f"# `{page.package}`\n", _text(package), "", *(f"- [{title}](#{_anchor(title)})" for title in chapters)]
    for title, names in chapters.items():
        parts.append(f"\n## {title}")
        for name in names:
            for module in chapter_modules(f"{page.package}.{name}"):
                parts.extend(_module_section(module))
    return "\n".join(parts) + "\n"


def _all_chapters(page: Page) -> Mapping[str, tuple[str, ...]]:
    if not page.covers_all:
        return page.chapters
    named = {name for names in page.chapters.values() for name in names}.union(page.left_out)
    path = importlib.import_module(page.package).__path__
    others = tuple(found.name for found in pkgutil.iter_modules(path) if found.name not in named)
    return {**page.chapters, "More": others} if others else page.chapters


def chapter_modules(name: str) -> Iterator[ModuleType]:
    """Yield the module of this dotted name, or the modules of that package."""
    module = importlib.import_module(name)
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
        and name in getattr(module, "__all__", [name])
    }


def _module_section(module: ModuleType) -> Iterator[str]:
    found = members(module)
    if not found:
        return
    yield f"\n### `{module.__name__}`\n"
    yield _text(module)
    for name, value in found.items():
        fields = _fields(value) if inspect.isclass(value) else ""
        yield f"\n#### `{name}{'(...)' if fields else _signature(value)}`\n"
        kind = vars(value).get("kind") if inspect.isclass(value) else None
        if isinstance(kind, str) and kind:
            yield f'In configurations and files: `"{kind}"`.\n'
        yield _text(value)
        if fields:
            yield f"\n```text\n{fields}\n```"
        if inspect.isclass(value):
            yield from _methods(value)


def _fields(owner: type) -> str:
    """The public fields of a dataclass or named tuple as the source declares them, with the comments beside them."""
    if not (is_dataclass(owner) or hasattr(owner, "_fields")):
        return ""
    source = textwrap.dedent(inspect.getsource(owner))
    lines, body = source.splitlines(), cast(ast.ClassDef, ast.parse(source).body[0]).body
    found = []
    for node in body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.target).startswith("_"):
            found += lines[node.lineno - 1 : node.end_lineno]
    return textwrap.dedent("\n".join(found))


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
    try:
        signature = inspect.signature(value)
    except ValueError:  # an exception class without a constructor of its own
        return ""
    parameters = [
        parameter.replace(annotation=_bare(parameter.annotation), default=_stable(parameter.default))
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    returns = signature.empty if inspect.isclass(value) else _bare(signature.return_annotation)
    return str(signature.replace(parameters=parameters, return_annotation=returns))


def _bare(annotation: object) -> object:
    return _Words(annotation) if isinstance(annotation, str) else annotation


def _stable(default: object) -> object:
    """A default whose text is the same in every process: a function is shown by its name, not by its address."""
    return _Words(getattr(default, "__qualname__", "...")) if " at 0x" in repr(default) else default


def _anchor(title: str) -> str:
    """Return the link anchor that Markdown viewers give a heading."""
    return "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -").replace(" ", "-")
