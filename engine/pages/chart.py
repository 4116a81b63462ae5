"""Charts as SVG, shapes only. All text goes into the HTML around them, where it stays readable on a
phone.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 600, 200  # SVG units; the view boxes in the templates have this size.

Point = tuple[float, float]


def share(value: float, ends: tuple[float, float]) -> float:
    """Where a value lies between the two ends, 0..1; 0.5 if the ends are equal."""
    return (value - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5


def place(x: float, y: float, x_range: tuple[float, float], y_range: tuple[float, float]) -> Point:
    """Convert a data point to units of the view box; y grows upwards in the data."""
    return WIDTH * share(x, x_range), HEIGHT * (1.0 - share(y, y_range))


def line_path(
    points: Sequence[Point], x_range: tuple[float, float], y_range: tuple[float, float]
) -> str:
    """Return the path data of a line through points (x, y); "" if there are no points."""
    words = ["{:.1f} {:.1f}".format(*place(x, y, x_range, y_range)) for x, y in points]
    return "M" + "L".join(words) if words else ""


def area_path(values: Sequence[float]) -> str:
    """Return the path data of the area under values 0..1, spaced evenly over the whole width; "" if
    there are no values.
    """
    line = line_path(list(enumerate(values)), (0, max(1, len(values) - 1)), (0, 1))
    return f"{line}V{HEIGHT}H0Z" if line else ""
