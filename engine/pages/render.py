"""Render pages from a package's own templates and the ones that all pages share."""

import jinja2

from engine.pages.board import piece_shapes


def page_environment(package: str, maker: str) -> jinja2.Environment:
    """Return an environment with the package's `templates/` first and the common ones second; it
    escapes values.

    A page extends `base.html.j2`, which takes `style.css` from the package and shows `maker` in its
    footer. A page from a server may give a `nonce`, by which its Content-Security-Policy allows the
    page's own script.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(package), jinja2.PackageLoader("engine.pages")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share: f"{share:.0%}"
    environment.filters["percent1"] = lambda share: f"{share:.1%}"
    environment.globals["maker"] = maker
    environment.globals |= {"nonce": "", "language": "en", "_": str.format}
    environment.globals["piece_shapes"] = piece_shapes
    return environment
