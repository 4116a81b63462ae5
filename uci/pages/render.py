"""Pages from the templates beside this module."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from engine.errors import DataError
from engine.nn.atomic import atomic_write
from uci import __version__
from uci.pages.board import piece_shapes

__all__ = ["render", "write_page"]


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("uci.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.0f}%"
    environment.filters["percent1"] = lambda share: f"{100 * share:.1f}%"
    environment.globals["piece_shapes"] = piece_shapes
    environment.globals["version"] = __version__
    return environment


def render(template: str, **context: object) -> str:
    """The text of a template filled in; values are escaped, unless they are Markup."""
    return _environment().get_template(template).render(**context)


def write_page(path: Path, text: str) -> None:
    """Puts a page in place, whole or not at all. Raises DataError."""
    try:
        with atomic_write(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
