"""Write the table in `docs/options.md` anew: `python -m tests.documents.generate`.

`--picture` draws the picture on the front page instead: what `aino analyse` shows of `OPERA_GAME`.
`--modules` prints the modules to name to `pdoc`, so that it shows all of them, and writes nothing.
"""

import argparse
import io
import pkgutil
import re
from pathlib import Path

import chess
from rich.console import Console, Group
from rich.text import Text

from engine.options import OPTIONS as ROWS
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.analyse.analyse import as_table, searched_lines
from uci.common.board_view import BoardStyle, render_board

ROOT = Path(__file__).resolve().parents[2]
# Morphy against two, Paris 1858.
OPERA_GAME = "rn2kb1r/p3qppp/2p2n2/1p2p1B1/2B1P3/1QN5/PPP2PPP/R3K2R w KQkq - 0 10"
# Rich's own frame without its web fonts: a picture must not load anything.
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Aino's analysis">
<style>
.{unique_id}-matrix {{ font: {char_height}px "DejaVu Sans Mono", Menlo, Consolas, monospace }}
.{unique_id}-title {{ font: bold 16px sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
OPTIONS = ROOT / "docs" / "options.md"
TABLE_HEAD = "| UCI option |"


def markdown_table():
    """The table of `docs/options.md`."""
    lines = ["| UCI option | flag and key | default | range | meaning |", "|---|---|---|---|---|"]
    for option in ROWS:
        flag = f"`{option.flag}`" if option.field else "-"
        value = (
            str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
        )
        names = ", ".join(f"`{name}`" for name in (option.name, *option.aliases))
        lines.append(
            f"| {names} | {flag} | {f'`{value}`' if value else '-'} | {option.range_text} | {option.help} |"
        )
    return "\n".join(lines) + "\n"


def with_option_table(page):
    """The options page with its table made anew from `engine.options.OPTIONS`."""
    before, head, rest = page.partition(TABLE_HEAD)
    assert head, f"no table that begins with {TABLE_HEAD!r}"
    return before + markdown_table() + "\n" + rest.partition("\n\n")[2]


def module_names():
    """Dotted names of the packages, and of the modules that pdoc does not find by itself.

    Those are the modules of a package with `__all__`, which pdoc takes for the list of the modules
    to show as well.
    """
    for package in ("engine", "selfplay", "uci"):
        yield package
        for init in sorted((ROOT / package).rglob("__init__.py")):
            if re.search(r"(?m)^__all__\b", init.read_text(encoding="utf-8")):
                parent = ".".join(init.parent.relative_to(ROOT).parts)
                modules = pkgutil.iter_modules([str(init.parent)])
                yield from (
                    f"{parent}.{module.name}" for module in modules if module.name != "__main__"
                )


def picture(board, infos):
    """The board in colour and the lines of an analysis below it, as SVG; the same lines give the
    same text.
    """
    console = Console(
        record=True, width=78, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    style = BoardStyle(color=True, symbols=True)
    console.print(Group(render_board(board, chess.WHITE, style), Text(), as_table(board, infos)))
    return console.export_svg(title="aino analyse", code_format=FRAME, unique_id="aino")


def draw_picture(path):
    """Search the position with 20,000 nodes and draw it."""
    board = chess.Board(OPERA_GAME)
    with Engine(EngineOptions(multi_pv=3, threads=1, analyse_mode=True)) as engine:
        engine.warm_up()  # the time that the picture shows is that of the search alone
        engine.set_position(board)
        path.write_text(
            picture(board, searched_lines(engine.search(Limits(nodes=20_000)))), encoding="utf-8"
        )


def main():
    """Write the table or the picture into the working tree, or print the modules."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument(
        "--picture", action="store_true", help="draw docs/board.svg, and write no table"
    )
    parser.add_argument(
        "--modules",
        action="store_true",
        help="print the modules to name to pdoc, and write nothing",
    )
    arguments = parser.parse_args()
    if arguments.modules:
        print(*module_names(), sep="\n")
        return
    if arguments.picture:
        draw_picture(ROOT / "docs" / "board.svg")
        return
    OPTIONS.write_text(with_option_table(OPTIONS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
