"""Fill the report's page from the templates beside this module."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from engine.pages.board import board_svg
from engine.pages.chart import area_path
from selfplay.records.endings import Ending
from selfplay.report.charts import Chart, Curve, drawn, fill_page
from selfplay.report.facts import UNBOUNDED, Generation, RunFacts, gate_difference
from selfplay.report.metrics import metrics_of
from selfplay.report.samples import Sample
from selfplay.report.seed_groups import Group
from selfplay.run.config import config_text


def report_page(facts: RunFacts) -> str:
    """Return the page's HTML."""
    generations, group = facts.generations, Group(facts.name, [metrics_of(facts)])
    played = [generation.games for generation in generations if generation.games is not None]
    endings = sum((games.endings for games in played), start=Counter[str]())
    return fill_page(
        "report.html.j2",
        title=f"{facts.name}: self-play run",
        facts=facts,
        group=group,
        newest=generations[-1],
        games=sum(games.games for games in played),
        positions=sum(games.positions for games in played),
        hours=sum(filter(None, (generation.hours for generation in generations))),
        unbounded=UNBOUNDED,
        promoted=sum(g.gate.accepted for g in generations if g.gate is not None),
        gained=generations[-1].gained,
        given_up=sum(g.given_up for g in generations),
        wrong=sum(g.wrong for g in generations),
        endings=[(Ending[name.upper()].words, number) for name, number in endings.most_common()],
        strength_charts=drawn([_rung_chart(facts, group), _strength_chart(generations)]),
        loss_charts=drawn(_loss_chart(name, generations, group) for name in ("Policy", "Value")),
        game_charts=drawn(_game_charts(generations)),
        settings=config_text(facts.config),
        samples=[_drawn_sample(sample) for sample in facts.samples],
    )


def _drawn_sample(sample: Sample) -> tuple[Sample, str, str, list[dict[str, object]]]:
    """Return a sample, its final board, the area under its expected points, and its steps for the page's script."""
    end = sample.steps[-1]
    board = board_svg(sample.final, marked=end.marked, label=end.text)
    return sample, board, area_path(sample.expected), [asdict(step) for step in sample.steps]


# ---- charts -------------------------------------------------------------------------------------------------------


def _rung_chart(facts: RunFacts, group: Group) -> Chart:
    note = (
        f"{facts.anchors.scale}: the rung at which a network scores 50%, by its games ({facts.config.anchors.nodes:,} "
        "nodes a move) against the run's fixed anchors. The area is its 95% interval."
    )
    curves = group.curves("hours", "rung", 0, "promoted network")
    return Chart("Rung on the anchors", curves, note, x_name="Hours", whole_x=False)


def _strength_chart(generations: list[Generation]) -> Chart:
    points = [(g.number, g.gained) for g in generations if g.gate is not None and g.gained is not None]
    note = (
        "The sum of the promoted candidates' differences in their gates. The same games chose the candidates, so it is "
        "an upper bound: it rises even where no candidate is stronger. A match between two of the networks in RUN/nets "
        "measures their difference; against other players it is smaller."
    )
    start = [(generations[0].number - 1, 0.0)] if points else []
    rejected = [
        (g.number, g.gained + gate_difference(g.gate))
        for g in generations
        if g.gate is not None and not g.gate.accepted and g.gained is not None
    ]
    curves = [Curve("promoted network", [*start, *points]), Curve("rejected candidates", rejected, line=False)]
    return Chart("Elo over the first network, at most", curves, note)


def _loss_chart(name: str, generations: list[Generation], group: Group) -> Chart:
    """Return a chart of losses. Training batches are drawn between the previous generation and the one they made."""
    key = name.lower()
    training = [
        (g.number - 1 + row["step"] / g.training[-1]["step"], row[key])
        for g in generations
        for row in g.training
        if row[key] is not None
    ]
    before = group.curves("generation", f"before_{key}", 1, "held-out games, before")
    after = group.curves("generation", key, 2, "held-out games, candidate")
    note = "Areas are 95% intervals." if after[0].band else ""
    return Chart(f"{name} loss", [Curve("training batches", training, dots=False), *before, *after], note)


def _game_charts(generations: list[Generation]) -> tuple[Chart, Chart]:
    played = [(g.number, g.games) for g in generations if g.games is not None]
    false = [(g.number, g.wrong / g.given_up) for g in generations if g.given_up]
    shares = [
        Curve("draws", [(number, games.draws) for number, games in played]),
        Curve("resigned", [(number, games.resigned) for number, games in played]),
        Curve("White's score", [(number, games.white_score) for number, games in played]),
        Curve("false resignations", false),
    ]
    note = (
        "False resignations: of the games played through although a side would have resigned, the share that this side "
        "did not lose."
    )
    lengths = Curve("mean length", [(number, games.mean_plies) for number, games in played])
    ends = Chart("How games end", shares, note if false else "", percent=True)
    return Chart("Length of the games in plies", [lengths]), ends
