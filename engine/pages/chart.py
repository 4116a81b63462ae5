"""Charts and curves as SVG shapes. Numbers and words are HTML around the shapes, so that a phone
shows them legibly.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 200  # SVG units; the view boxes in the templates have this size.
KINDS_OF_LINES = 8  # that the style sheet has; further ones repeat them
MARGIN = 0.05  # space above and below the values, as a share of the height
FLAT = 1e-3  # of the largest value; curves that rise and fall less than this are flat
ROOM_OF_FLAT = 0.1  # of the largest value, above and below flat curves

Point = tuple[float, float]
Interval = tuple[float, float]  # low, high


def share(value: float, ends: Interval) -> float:
    """Where a value lies between the two ends, 0..1; 0.5 if the ends are equal."""
    return (value - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5


def place(x: float, y: float, x_range: Interval, y_range: Interval) -> Point:
    """Convert a data point to units of the view box; y grows upwards in the data."""
    return WIDTH * share(x, x_range), HEIGHT * (1.0 - share(y, y_range))


def line_path(points: Sequence[Point], x_range: Interval, y_range: Interval) -> str:
    """Return the path data of a line through points (x, y); "" if there are no points."""
    words = ["{:.1f} {:.1f}".format(*place(x, y, x_range, y_range)) for x, y in points]
    return "M" + "L".join(words) if words else ""


def area_path(values: Sequence[float]) -> str:
    """Return the path data of the area under values 0..1, spaced evenly over the whole width; "" if
    there are no values.
    """
    line = line_path(list(enumerate(values)), (0, max(1, len(values) - 1)), (0, 1))
    return f"{line}V{HEIGHT}H0Z" if line else ""


@dataclass(frozen=True)
class Curve:
    """A named line through points (x, y), or without `line` the points alone. `dots` marks the
    points.

    band: an area (x, low, high) around the line, cut off at the chart's ends. kind: number of the
    kind of line; by default, its place in the chart. A curve without a name is thin and has no
    place in the legend.
    """

    name: str
    points: Sequence[Point]
    dots: bool = True
    line: bool = True
    band: Sequence[tuple[float, float, float]] = ()
    kind: int | None = None


@dataclass(frozen=True)
class Chart:
    """Curves over generations, or over what `x_name` names. `percent` shows percentages; `note` is
    the text below. With `log_x`, each x is a logarithm to the base 10.
    """

    title: str
    curves: Sequence[Curve]
    note: str = ""
    percent: bool = False
    x_name: str = "Generations"
    whole_x: bool = True  # whether only whole numbers mean something on the x axis
    log_x: bool = False


@dataclass(frozen=True)
class DrawnCurve:
    """A curve for the template: its class, and path data, "" for none."""

    curve: Curve
    style: str
    line: str
    dots: str
    band: str


@dataclass(frozen=True)
class DrawnChart:
    """A chart for the template: its curves that have points, and (text, position in percent) of
    each mark on the scales.
    """

    chart: Chart
    curves: list[DrawnCurve]
    y_marks: list[tuple[str, float]]
    x_marks: list[tuple[str, float]]
    label: str


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers from low to high, in steps of 1, 2 or 5 times a power of ten."""
    least = max(high - low, 1e-9) / (most - 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    first = math.ceil(low / step - 1e-9)
    return [step * number for number in range(first, math.floor(high / step + 1e-9) + 1)]


def draw_chart(chart: Chart) -> DrawnChart:
    """Shapes and scales of a chart, of which a curve has a point."""
    every = [point for curve in chart.curves for point in curve.points]
    x_range = (min(x for x, _ in every), max(x for x, _ in every))
    y_range = _range_with_room([y for _, y in every])
    y_ticks, x_ticks = ticks(*y_range, 5), ticks(*x_range, 7)
    if chart.whole_x:
        x_ticks = [x for x in x_ticks if x == round(x)]
    named = [curve for curve in chart.curves if curve.name and curve.points]
    return DrawnChart(
        chart=chart,
        curves=[
            _drawn_curve(curve, number, x_range, y_range)
            for number, curve in enumerate(chart.curves)
            if curve.points
        ],
        y_marks=[
            (_text(y, y_ticks, chart.percent), 100 * (1 - share(y, y_range))) for y in y_ticks
        ],
        x_marks=[(_x_text(x, x_ticks, chart), 100 * share(x, x_range)) for x in x_ticks],
        label=". ".join(_spoken(curve, chart.percent) for curve in named),
    )


def _range_with_room(values: Sequence[float]) -> Interval:
    span = max(values) - min(values)
    largest = max(map(abs, values))
    room = MARGIN * max(span, 1e-3) if span > FLAT * largest else max(ROOM_OF_FLAT * largest, 1e-3)
    return min(values) - room, max(values) + room


def _drawn_curve(curve: Curve, number: int, x_range: Interval, y_range: Interval) -> DrawnCurve:
    kind = (number if curve.kind is None else curve.kind) % KINDS_OF_LINES
    marks = "".join(
        "M{:.1f} {:.1f}h0".format(*place(x, y, x_range, y_range)) for x, y in curve.points
    )
    lower = [(x, low) for x, low, _ in curve.band]
    upper = [(x, high) for x, _, high in reversed(curve.band)]
    inside = [(x, min(max(y, y_range[0]), y_range[1])) for x, y in lower + upper]
    return DrawnCurve(
        curve,
        style=f"s{kind}" if curve.name else f"s{kind} thin",
        line=line_path(curve.points, x_range, y_range) if curve.line else "",
        dots=marks if curve.dots or len(curve.points) == 1 else "",
        band=line_path(inside, x_range, y_range),
    )


def drawn(charts: Iterable[Chart]) -> list[DrawnChart]:
    """Return the charts that have points."""
    return [draw_chart(chart) for chart in charts if any(curve.points for curve in chart.curves)]


def _x_text(x: float, marks: Sequence[float], chart: Chart) -> str:
    if chart.log_x:
        return f"{10**x:,.0f}"
    return f"{x:.0f}" if chart.whole_x else _text(x, marks, False)


def _text(value: float, marks: Sequence[float], percent: bool) -> str:
    scale = 100 if percent else 1
    step = scale * (marks[1] - marks[0]) if len(marks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{scale * value + 0.0:,.{digits}f}{'%' if percent else ''}"


def _spoken(curve: Curve, percent: bool) -> str:
    first, last = (
        f"{y:.1%}" if percent else f"{y:,.2f}" for y in (curve.points[0][1], curve.points[-1][1])
    )
    return f"{curve.name}: from {first} to {last}"
