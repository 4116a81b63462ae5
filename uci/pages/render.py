"""Templates of the `aino` command, filled in."""

import functools

import jinja2

from engine.pages.render import page_environment
from uci import __version__
from uci.language import _, page_language, several, spoken


def render(template: str, **context: object) -> str:
    """Return the text of a template filled in; values are escaped, unless they are Markup."""
    return _environment().get_template(template).render(**page_language(spoken()), **context)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = page_environment("uci.pages", f"Aino {__version__}")
    environment.globals |= {"_": _, "several": several}
    return environment
