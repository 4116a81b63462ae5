"""Charts as SVG: shapes only. Words stand in HTML around them, where they stay readable on a phone."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["HEIGHT", "WIDTH", "Point", "area_path", "line_path", "place", "share"]

WIDTH, HEIGHT = 600, 200  # units of the view box; the templates' boxes are as large

Point = tuple[float, float]


def share(value: float, ends: tuple[float, float]) -> float:
    """Where a value lies between the ends, 0..1; in the middle where they are one."""
    return (value - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5


def place(x: float, y: float, x_range: tuple[float, float], y_range: tuple[float, float]) -> Point:
    """Units of the view box for a point; y grows upwards in the data."""
    return WIDTH * share(x, x_range), HEIGHT * (1.0 - share(y, y_range))


def line_path(points: Sequence[Point], x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    """The path data of a line through points (x, y); "" without any."""
    words = ["{:.1f} {:.1f}".format(*place(x, y, x_range, y_range)) for x, y in points]
    return "M" + "L".join(words) if words else ""


def area_path(values: Sequence[float]) -> str:
    """The path data of the area under values 0..1, evenly spaced over the whole width; "" without any."""
    line = line_path(list(enumerate(values)), (0, max(1, len(values) - 1)), (0, 1))
    return f"{line}V{HEIGHT}H0Z" if line else ""
