"""Write the table in `docs/options.md` anew: `python -m tests.documents.generate`.

`--modules` prints the modules to name to `pdoc`, so that it shows all of them, and writes nothing.
"""

import argparse
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from engine.cli.option_forms import markdown_table

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ROOT / "docs" / "options.md"
TABLE_HEAD = "| UCI option |"


def with_option_table(page: str) -> str:
    """The options page with its table made anew from `engine.options.OPTIONS`."""
    before, head, rest = page.partition(TABLE_HEAD)
    assert head, f"no table that begins with {TABLE_HEAD!r}"
    return before + markdown_table() + "\n" + rest.partition("\n\n")[2]


def module_names() -> Iterator[str]:
    """Dotted names of the packages, and of the modules that pdoc does not find by itself.

    Those are the modules of a package with `__all__`, which pdoc takes for the list of the modules to show as well.
    """
    for package in ("engine", "selfplay", "uci"):
        yield package
        for init in sorted((ROOT / package).rglob("__init__.py")):
            if re.search(r"(?m)^__all__\b", init.read_text(encoding="utf-8")):
                parent = ".".join(init.parent.relative_to(ROOT).parts)
                found = pkgutil.iter_modules([str(init.parent)])
                yield from (f"{parent}.{module.name}" for module in found if module.name != "__main__")


def main() -> None:
    """Write the table into the working tree, or print the modules."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--modules", action="store_true", help="print the modules to name to pdoc, and write nothing")
    if parser.parse_args().modules:
        print(*module_names(), sep="\n")
        return
    OPTIONS.write_text(with_option_table(OPTIONS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
