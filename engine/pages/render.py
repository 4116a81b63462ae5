"""Pages from templates: a package's own, and what all pages share."""

from __future__ import annotations

from pathlib import Path

import jinja2

from engine.errors import DataError
from engine.files.atomic import atomic_write
from engine.pages.board import piece_shapes

__all__ = ["page_environment", "write_page"]


def page_environment(package: str, maker: str) -> jinja2.Environment:
    """Templates from `templates/` of a package, and behind them the common ones; values are escaped.

    A page extends `base.html.j2`, which takes `style.css` from the package and puts `maker` at its foot.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("engine.pages")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share: f"{share:.0%}"
    environment.filters["percent1"] = lambda share: f"{share:.1%}"
    environment.globals["maker"] = maker
    environment.globals["piece_shapes"] = piece_shapes
    return environment


def write_page(path: Path, text: str) -> None:
    """Put a page in place, whole or not at all. Raises DataError."""
    try:
        with atomic_write(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
