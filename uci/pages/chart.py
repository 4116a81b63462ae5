"""Charts as SVG: shapes only. Words stand in HTML around them, where they stay readable on a phone."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

__all__ = ["HEIGHT", "WIDTH", "area_path", "line_path", "place"]

WIDTH, HEIGHT = 600, 200  # units of the view box


def place(x: float, y: float, x_range: tuple[float, float], y_range: tuple[float, float]) -> tuple[float, float]:
    """Units of the view box for a point; y grows upwards in the data."""
    x_share = (x - x_range[0]) / max(1e-9, x_range[1] - x_range[0])
    y_share = (y - y_range[0]) / max(1e-9, y_range[1] - y_range[0])
    return WIDTH * x_share, HEIGHT * (1.0 - y_share)


def line_path(
    points: Sequence[tuple[float, float]], x_range: tuple[float, float], y_range: tuple[float, float]
) -> Markup:
    """The path data of a line through points (x, y)."""
    words = ["{:.1f} {:.1f}".format(*place(x, y, x_range, y_range)) for x, y in points]
    return Markup("M" + "L".join(words)) if words else Markup("")  # numbers


def area_path(values: Sequence[float]) -> Markup:
    """The path data of the area under values 0..1, evenly spaced over the whole width."""
    points = list(enumerate(values))
    line = line_path(points, (0, max(1, len(values) - 1)), (0, 1))
    return Markup(f"{line}V{HEIGHT}H0Z")  # numbers
