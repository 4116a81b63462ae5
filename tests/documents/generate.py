"""Write the generated parts of the documents anew: `python -m tests.documents.generate`.

The pages of `docs/reference` come from docstrings, the table in `docs/options.md` from the option table.
"""

from __future__ import annotations

from pathlib import Path

from engine.option_forms import markdown_table
from tests.documents.reference import PAGES, reference

__all__ = ["ROOT", "main", "with_option_table"]

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ROOT / "docs" / "options.md"
TABLE_HEAD = "| UCI option |"


def with_option_table(page: str) -> str:
    """The options page with its table made anew from `engine.options.OPTIONS`."""
    before, head, rest = page.partition(TABLE_HEAD)
    assert head, f"no table that begins with {TABLE_HEAD!r}"
    return before + markdown_table() + "\n" + rest.partition("\n\n")[2]


def main() -> None:
    """Write the pages into the working tree."""
    folder = ROOT / "docs" / "reference"
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(reference(page), encoding="utf-8")
    OPTIONS.write_text(with_option_table(OPTIONS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
