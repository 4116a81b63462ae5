"""Draw what `aino analyse` shows in a terminal as an SVG picture: `python -m uci.analyse.picture --out board.svg`.

The picture is one small file that loads nothing. README shows the one of `OPERA_GAME`.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import chess
from rich.console import Console, ConsoleRenderable, Group
from rich.text import Text

from engine.errors import AinoError
from engine.files.atomic import atomic_write
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import SearchInfo
from uci.analyse.view import as_table, searched_lines
from uci.terminal.board_view import BoardStyle, render_board
from uci.terminal.reading import add_source_flags, read_source

OPERA_GAME = "rn2kb1r/p3qppp/2p2n2/1p2p1B1/2B1P3/1QN5/PPP2PPP/R3K2R w KQkq - 0 10"  # Morphy against two, Paris 1858.
LINES = 3
COLUMNS = 78  # Width of the picture in characters.
TITLE = "aino analyse"
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


def draw(board: chess.Board, infos: Sequence[SearchInfo]) -> ConsoleRenderable:
    """The board in colour and the lines of the analysis below it, as `aino analyse` prints them."""
    style = BoardStyle(color=True, symbols=True)
    return Group(render_board(board, chess.WHITE, style), Text(), as_table(board, infos))


def as_svg(picture: ConsoleRenderable) -> str:
    """A picture of what rich draws, as an SVG text. The same picture gives the same text."""
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(picture)
    return console.export_svg(title=TITLE, code_format=FRAME, unique_id="aino")


def main(arguments: Sequence[str] | None = None) -> int:
    """Search a position and write its picture; exit status 1 for an error reported on stderr."""
    parser = argparse.ArgumentParser(prog="python -m uci.analyse.picture", description=__doc__)
    add_source_flags(parser, "draw this FEN or PGN file (default: the Opera Game)")
    text = "search this many positions (default %(default)s)"
    parser.add_argument("--nodes", type=int, default=20_000, metavar="N", help=text)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="write the SVG here")
    given = parser.parse_intermixed_args(arguments)
    try:
        _write(given.position or [OPERA_GAME], given.game, given.ply, given.nodes, given.out)
    except AinoError as error:
        print(f"picture: {error}", file=sys.stderr)
        return 1
    return 0


def _write(position: Sequence[str], game: int, ply: int | None, nodes: int, out: Path) -> None:
    source = read_source(position, game, ply)
    with Engine(EngineOptions(multi_pv=LINES, threads=1, analyse_mode=True)) as engine:
        engine.warm_up()  # the time that the picture shows is that of the search alone
        engine.set_position(source.board)
        lines = searched_lines(engine.search(Limits(nodes=nodes)))
    with atomic_write(out) as stream:
        stream.write(as_svg(draw(source.board, lines)).encode())


if __name__ == "__main__":
    sys.exit(main())
