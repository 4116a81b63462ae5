"""Fills the pages about runs from the templates beside this module.

One is about one run, of `loop` or `pretrain`. The other compares runs of one kind: mean curves of
those that differ by seeds alone, and their settings.
"""

from collections.abc import Sequence

from engine.errors import ConfigError
from engine.pages.chart import Chart, Curve, DrawnChart, Point, drawn
from engine.pages.render import page_environment
from selfplay.report.metrics import Metrics, Row
from selfplay.report.seed_groups import Group, interval_of, mean_interval, seed_groups
from selfplay.run.ledger import gate_difference

# Elo; a larger value means that a score, or an end of its interval, was perfect.
UNBOUNDED = 9_000.0
KINDS = {"generation": "self-play", "positions": "supervised"}  # of runs, by their rows' column


def report_page(run: Metrics) -> str:
    """Return the page's HTML."""
    return _fill_page(
        "report.html.j2",
        title=f"{run.run}: {KINDS[run.x]} run",
        run=run,
        facts=_facts(run),
        sections=_sections(run, Group(run.run, [run])),
        given_up=_total(run, "given_up"),
        wrong=_total(run, "wrong"),
        unbounded=UNBOUNDED,
    )


def _fill_page(template: str, **context: object) -> str:
    """Return the text of one of the report's templates filled in."""
    return (
        page_environment("selfplay.report", "aino-train report")
        .get_template(template)
        .render(**context)
    )


def _facts(run: Metrics) -> dict[str, str]:
    """Return the numbers at the head of the page, by name."""
    if run.x == "positions":
        return _supervised_facts(run)
    facts = {
        "Generations": str(sum(row["generation"] > 0 for row in run.rows)),
        "Promoted": str(_total(run, "accepted")),
        "Games": f"{_total(run, 'games'):,}",
        "Positions": f"{_total(run, 'positions'):,}",
        "Hours": f"{run.hours:.1f}",
    }
    gained = _last(run.rows, "gained")
    if gained is not None:
        facts["Elo gained, at most"] = f"{gained:+.0f}"
    return facts


def _supervised_facts(run: Metrics) -> dict[str, str]:
    facts = {
        "Positions": f"{max(row['positions'] for row in run.rows + run.steps):,}",
        "Hours": f"{run.hours:.1f}",
    }
    speed = _last(run.steps, "positions_per_s")
    if speed is not None:
        facts["Positions/s"] = f"{speed:,.0f}"
    top1 = _last(run.rows, "top1")
    if top1 is not None:
        facts["Held-out top-1"] = f"{top1:.1%}"
    return facts


def _total(run: Metrics, name: str) -> int:
    """Return the sum of what is counted in a run's rows."""
    return int(sum(row.get(name, 0) for row in run.rows))


def _last(rows: list[Row], name: str) -> float | None:
    return next((row[name] for row in reversed(rows) if name in row), None)


def _sections(run: Metrics, group: Group) -> list[tuple[str, list[DrawnChart], str]]:
    """(title, charts, what to say without any) of each part of the page."""
    losses = [_loss_chart(run, group, name) for name in ("Policy", "Value")]
    sections = [("Losses", [*losses, _top1_chart(run, group)], "Nothing has been trained yet.")]
    if run.x == "generation":
        strength = [_rung_chart(run, group), _strength_chart(run)]
        sections.insert(0, ("Strength", strength, "No candidate has played a gate yet."))
        sections.append(("Games", _game_charts(run), "No game has been played yet."))
    return [(title, drawn(charts), nothing) for title, charts, nothing in sections]


# ---- charts --------------------------------------------------------------------------------------


def _rung_chart(run: Metrics, group: Group) -> Chart:
    note = (
        f"{run.rung_scale}: the rung at which a network scores 50%, by its games "
        f"({run.settings.get('anchors.nodes', 0):,} nodes a move) against the run's fixed anchors. The area is its 95% "
        "interval."
    )
    curves = group.curves("hours", "rung", 0, "promoted network")
    return Chart("Rung on the anchors", curves, note, x_name="Hours", whole_x=False)


def _strength_chart(run: Metrics) -> Chart:
    promoted = list[Point]()
    rejected = list[Point]()
    for row in run.rows:
        if "accepted" not in row:
            continue
        generation, gained = row["generation"], row["gained"]
        promoted = promoted or [(generation - 1, 0.0)]
        promoted.append((generation, gained))
        if not row["accepted"]:
            lead = gate_difference(row["gate_score"], round(row["gate_games"]))
            rejected.append((generation, gained + lead))
    note = (
        "The sum of the promoted candidates' differences in their gates. The same games chose the candidates, so it is "
        "an upper bound: it rises even where no candidate is stronger. A match between two of the networks in RUN/nets "
        "measures their difference; against other players it is smaller."
    )
    curves = [
        Curve("promoted network", promoted),
        Curve("rejected candidates", rejected, line=False),
    ]
    return Chart("Elo over the first network, at most", curves, note)


def _loss_chart(run: Metrics, group: Group, name: str) -> Chart:
    key = name.lower()
    places = _batch_places(run)
    training = [(x, row[key]) for x, row in zip(places, run.steps, strict=True) if key in row]
    before = group.curves(run.x, f"before_{key}", 1, "held-out games, before")
    scored = "held-out games"
    if run.x == "generation" and run.steps:
        scored += ", candidate"
    after = group.curves(run.x, key, 2, scored)
    note = "Areas are 95% intervals." if after[0].band else ""
    curves = [Curve("training batches", training, dots=False), *before, *after]
    _, x_name, whole_x = AXES[run.x][0]
    return Chart(f"{name} loss", curves, note, x_name=x_name, whole_x=whole_x)


def _batch_places(run: Metrics) -> list[float]:
    """Return where training batches are drawn: in a self-play run between the previous generation
    and the one that they made.
    """
    if run.x == "positions":
        return [row["positions"] for row in run.steps]
    ends = {row["generation"]: row["step"] for row in run.steps}
    return [row["generation"] - 1 + row["step"] / ends[row["generation"]] for row in run.steps]


def _top1_chart(run: Metrics, group: Group) -> Chart:
    note = "How often the network's best legal move is the target's, on held-out games."
    x, x_name, whole_x = AXES[run.x][0]
    return Chart(TITLES["top1"], group.curves(x, "top1", 2, "top-1"), note, True, x_name, whole_x)


def _game_charts(run: Metrics) -> list[Chart]:
    def points(name: str) -> list[tuple[float, float]]:
        return [(row["generation"], row[name]) for row in run.rows if name in row]

    false = [
        (row["generation"], row["wrong"] / row["given_up"])
        for row in run.rows
        if row.get("given_up")
    ]
    shares = [
        Curve("draws", points("draws")),
        Curve("resigned", points("resigned")),
        Curve("White's score", points("white_score")),
        Curve("false resignations", false),
    ]
    note = ""
    if false:
        note = (
            "False resignations: of the games played through although a side would have resigned, the share that this "
            "side did not lose."
        )
    lengths = Chart("Length of the games in plies", [Curve("mean length", points("mean_plies"))])
    return [lengths, Chart("How games end", shares, note, percent=True)]


# By the kind of runs: columns over which curves go, with their names, and whether only whole
# numbers mean something.
HOURS = ("hours", "Hours", False)
AXES = {
    "generation": (
        ("generation", "Generations", True),
        HOURS,
        ("all_positions", "Positions", False),
    ),
    "positions": (("positions", "Positions", False), HOURS),
}
TITLES = {
    "rung": "Rung on the anchors",
    "gained": "Elo over the first network, at most",
    "policy": "Policy loss",
    "value": "Value loss",
    "top1": "Top-1 accuracy",
    "mean_plies": "Length of the games in plies",
    "draws": "Draws",
}
SHARES = ("top1", "draws")
SCORES = ("policy", "value", "top1")  # on held-out games


def comparison_page(runs: Sequence[Metrics]) -> str:
    """Return the page's HTML. Raises ConfigError for runs of several kinds."""
    if len({run.x for run in runs}) > 1:
        raise ConfigError("only runs of one kind can be compared: of `loop`, or of `pretrain`")
    groups = seed_groups(runs)
    names = dict.fromkeys(name for run in runs for name in run.settings)
    settings = {name: [_values(group, name) for group in groups] for name in names}
    title = " and ".join(group.name for group in groups[:3])
    if len(groups) > 3:
        title += f" and {len(groups) - 3} more"
    return _fill_page(
        "comparison.html.j2",
        title=title,
        groups=groups,
        n_runs=len(runs),
        sections=[(axis, _charts(groups, x, axis, whole)) for x, axis, whole in AXES[runs[0].x]],
        ends=[(group, {name: _at_end(group, name) for name in TITLES}) for group in groups],
        titles=TITLES,
        shares=SHARES,
        settings={name: values for name, values in settings.items() if len(set(values)) > 1},
        all_settings=settings,
    )


def _values(group: Group, name: str) -> str:
    """Return a setting of a group's runs in words: each of its values once, and those that it had
    before.
    """
    values = dict.fromkeys(str(run.settings.get(name, "")) for run in group.runs)
    before = [f"{change[name][0]} before generation {change['generation']}" for change in group.runs[0].changes
              if name in change]  # fmt: skip
    return ", ".join([*values, *before])


def _at_end(group: Group, name: str) -> tuple[float, tuple[float, float] | None] | None:
    """Return the last number of the runs, of several the mean, and its interval if it is known;
    None without any.
    """
    last_rows = list[Row]()
    for run in group.runs:
        rows = [row for row in run.rows if name in row]
        last_rows += rows[-1:]
    if not last_rows:
        return None
    if len(last_rows) == 1:
        return last_rows[0][name], interval_of(last_rows[0], name)
    mean, low, high = mean_interval([row[name] for row in last_rows])
    return mean, (low, high)


def _charts(groups: Sequence[Group], x: str, x_name: str, whole_x: bool) -> list[DrawnChart]:
    """Return the charts over one axis; one for each set of held-out games, and for each scale of
    rungs.
    """
    charts = []
    for name, title in TITLES.items():
        sets: dict[str, list[tuple[int, Group]]] = {}
        for number, group in enumerate(groups):
            on = ""
            if name == "rung":
                on = group.runs[0].rung_scale
            elif name in SCORES:
                on = group.scored_on
            sets.setdefault(on, []).append((number, group))
        for on, members in sets.items():
            addition = ""
            if name == "rung":
                addition = f", {on}"
            elif name in SCORES and len(sets) == 1:
                addition = " on held-out games"
            elif name in SCORES:
                addition = (
                    f" on the held-out games of {' and '.join(group.name for _, group in members)}"
                )
            curves = [curve for number, group in members for curve in group.curves(x, name, number)]
            charts.append(Chart(title + addition, curves, "", name in SHARES, x_name, whole_x))
    return drawn(charts)
