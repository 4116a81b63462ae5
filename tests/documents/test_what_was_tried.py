"""The table of all attempts parses, and the page about them says what it says."""

import csv
import re

from tests.documents.pages import ROOT, text_of

PAGE = text_of("docs/what-was-tried.md")
with (ROOT / "docs" / "what-was-tried.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, strict=True))
ELO = re.compile(r"([+-]?\d+) \[([+-]?\d+), ([+-]?\d+)\]")
# A line of the page's tables: Elo with its interval, what changed, games.
TABLE_ROW = re.compile(rf"(?m)^\| {ELO.pattern} \| .+ \| (.+) \|$")


def elo_of(row):
    return tuple(int(row[name]) for name in ("elo", "low", "high"))


WITH_INTERVAL = [row for row in ROWS if row["low"]]


def test_an_attempt_has_a_measurement_and_a_verdict():
    for row in ROWS:
        assert None not in row, f"a comma too many: {row}"
        assert all(row[name] for name in ("part", "change", "verdict")), row
        assert row["elo"] or row["measured"], row
        assert not row["games"] or int(row["games"]) > 0, row


def test_an_elo_lies_in_its_interval():
    assert len(WITH_INTERVAL) > 100
    for row in WITH_INTERVAL:
        elo, low, high = elo_of(row)
        assert low <= elo <= high, row


def test_every_elo_of_the_page_is_in_the_table():
    on_the_page = {tuple(int(number) for number in elo) for elo in ELO.findall(PAGE)}
    rungs = {elo for elo in on_the_page if elo[0] > 900}
    assert not on_the_page - rungs - set(map(elo_of, WITH_INTERVAL))


def test_games_of_the_page_are_those_of_the_table():
    conditions = {
        (*elo_of(row), f"{row['games']} at {row['conditions']}".strip()) for row in WITH_INTERVAL
    }
    shown = TABLE_ROW.findall(PAGE)
    assert len(shown) > 20
    for *elo, games in shown:
        assert (*map(int, elo), games) in conditions
