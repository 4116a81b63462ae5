"""The help of commands in the language that the system speaks."""

import argparse
import gettext

from uci.catalogues import CATALOGUES_FOLDER, GETTEXT_DOMAIN
from uci.language import _


def translate_help(parser: argparse.ArgumentParser) -> None:
    """Let a command's help speak the system's language, with the word that argparse puts before it.

    argparse has no other way to its groups and actions than two fields that are private.
    """
    gettext.bindtextdomain(GETTEXT_DOMAIN, str(CATALOGUES_FOLDER))
    gettext.textdomain(GETTEXT_DOMAIN)
    for group in parser._action_groups:
        if group.title:
            group.title = _(group.title)
    for action in parser._actions:
        if action.help:
            action.help = _(action.help)
    for name in ("usage", "description", "epilog"):
        text = getattr(parser, name)
        if text:
            setattr(parser, name, _(text))
