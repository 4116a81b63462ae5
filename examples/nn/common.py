"""What the examples share: their command line, their data folder, their pictures."""

import argparse
import lzma
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from engine.cli.command_line import CommandParser
from engine.errors import AinoError, DataError
from engine.files.output_files import output_file
from engine.nn.figures import new_figure
from engine.nn.training.history import Record

DATA_VARIABLE = "AINO_TEST_DATA"


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every example; the first paragraph of its docstring is
    the description.
    """
    parser = CommandParser(description=(description or "").partition("\n\n")[0])
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed all random numbers with this (default %(default)s)",
    )
    parser.add_argument(
        "--plot", type=output_file, metavar="FILE", help="save a picture (png, svg, pdf)"
    )
    return parser


def run_as_command(main: Callable[[], None]) -> None:
    """Run an example as a command: an error of ours is one line, not a traceback."""
    try:
        main()
    except AinoError as error:
        raise SystemExit(f"error: {error}") from error


def find_data(path: Path | None, usual: str) -> Path:
    """Return the path, or else the usual one inside the data folder. Raises DataError when there
    is neither.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if path is None and not folder:
        raise DataError(
            f"no data: expected a path on the command line, or {usual} in ${DATA_VARIABLE}"
        )
    path = path or Path(folder or "", usual)
    if not path.exists():
        raise DataError(f"no data: {path} does not exist")
    return path


def open_text(path: Path) -> TextIO:
    """Return a text file to read, packed (.xz) or not."""
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def show(record: Record) -> None:
    """Print one epoch of a history."""
    line = f"epoch {record['epoch']:3.0f}"
    for name, value in record.items():
        if name not in ("epoch", "step", "rate", "gradient_norm"):
            line += f"   {name.replace('_', ' ')} {value:.4f}"
    print(line, flush=True)


def save_curves(
    path: Path | None, curves: Mapping[str, Sequence[float]], x: str, y: str, scale: str = "plot"
) -> None:
    """Save a picture of curves by name over 1, 2, ..., if there is a path; `scale` is plot,
    semilogy or loglog.
    """

    def draw(axes: Any) -> None:
        for name, values in curves.items():
            getattr(axes, scale)(range(1, len(values) + 1), values, label=name)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend()

    save_plot(path, draw)


def save_plot(path: Path | None, draw: Callable[[Any], None]) -> None:
    """Save a picture with one pair of axes, on which `draw` draws, if there is a path. Needs
    Matplotlib.
    """
    if path is None:
        return
    figure = new_figure(6, 4)
    draw(figure.add_subplot())
    figure.savefig(path)
    print(f"saved {path}")
