"""The web pages in a real browser: no overflow on a phone, keys and buttons work, nothing fails.
Skipped without.
"""

import pytest

from selfplay.report.page import report_page
from selfplay.report.run_numbers import read_run
from tests.browser.conftest import DESKTOP, GAME, PHONE, annotated
from tests.selfplay.report.runs import gate_result, run_with


@pytest.fixture(scope="module")
def report_of_a_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run_with(folder, [gate_result(30), gate_result(-40, accepted=False)]).close()
    return report_page(read_run(folder))


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("name", "controls", "pictures"),
    [("annotated_page", 5, 0), ("explained_page", 5, 3), ("report_of_a_run", 8, 6)],
)
def test_a_page_fits_its_window(ask, name, controls, pictures, width, request):
    act = """
    const excess = page.documentElement.scrollWidth - page.documentElement.clientWidth;
    const all = [...page.querySelectorAll("a[href], button, summary, [tabindex]")];
    const reach = all.filter(e => e.tabIndex >= 0 && e.checkVisibility());
    const drawn = [...page.querySelectorAll("svg.board, .plot > svg, .expected")].map(picture => {
      const box = picture.getBoundingClientRect();
      return box.width > 60 && box.height > 60 && box.right <= view.innerWidth;
    });
    return [excess, reach.every(e => { e.focus(); return page.activeElement === e; }), reach.length, drawn,
      page.querySelectorAll(".replay[tabindex='0'], details > summary").length];
    """
    text = request.getfixturevalue(name)
    excess, all_take_focus, count, drawn, special = ask(text, width, act)
    assert excess == 0
    assert all_take_focus
    assert count >= controls
    assert special >= 1
    if pictures:
        assert len(drawn) >= pictures
        assert all(drawn)


def test_keys_from_anywhere_go_through_the_game(ask, annotated_page):
    act = """
    const seen = [];
    const note = () => seen.push(page.querySelector(".says").textContent.split(" ").slice(0, 2).join(" ")
      + " " + page.querySelectorAll(".replay use").length
      + " " + page.querySelectorAll(".moves a[aria-current]").length);
    const press = key => page.body.dispatchEvent(new view.KeyboardEvent("keydown", { key, bubbles: true }));
    note();
    for (const key of ["ArrowRight", "End", "ArrowLeft", "Home", "End"]) { press(key); note(); }
    page.querySelector("[data-go=back]").click(); note();
    page.querySelector("[data-go=on]").click(); note();
    page.querySelectorAll(".moves a")[1].click(); note();
    return seen;
    """
    assert ask(annotated_page, DESKTOP, act) == [
        "Start position 32 0",
        "1. e4 32 1",
        "4. Qxf7# 31 1",
        "3... Nf6?? 32 1",
        "Start position 32 0",
        "4. Qxf7# 31 1",
        "3... Nf6?? 32 1",
        "4. Qxf7# 31 1",
        "1... e5 32 1",
    ]


def test_board_flips_with_its_bar(ask, annotated_page):
    act = """
    const king = () => [...page.querySelectorAll(".replay use")].find(e => e.getAttribute("href") === "#white-king");
    const places = [king().getAttribute("y")];
    page.querySelector("[data-go=flip]").click();
    places.push(king().getAttribute("y"), page.querySelector(".bar").classList.contains("flipped"));
    page.querySelector("[data-go=last]").click();
    places.push(page.querySelector(".bar .white").style.height, page.querySelector(".bar .score").textContent);
    return places;
    """
    assert ask(annotated_page, DESKTOP, act) == ["315", "0", True, "100%", "#"]


def test_better_lines_are_played_on_the_board(ask, annotated_page):
    act = """
    page.querySelectorAll(".moves a")[5].click();
    const says = () => page.querySelector(".says"), board = () => page.querySelector(".replay .pieces").innerHTML;
    const bar = () => page.querySelector(".bar .score").textContent;
    const game = board(), links = says().querySelectorAll("a").length, played = bar();
    says().querySelector("a").click();
    const better = bar();
    const press = key => page.body.dispatchEvent(new view.KeyboardEvent("keydown", { key, bubbles: true }));
    const first = board();
    press("ArrowRight");
    const second = board();
    press("ArrowLeft"); press("ArrowLeft");
    const words = says().textContent;
    return [words.includes("Better: 3... ") && words.includes("Refutation: 4. Qxf7#"), links > 1,
      new Set([game, first, second]).size, board() === game, page.querySelectorAll(".replay .glyph").length,
      played, better !== played, bar() === played];
    """
    assert ask(annotated_page, DESKTOP, act) == [True, True, 3, True, 1, "#1", True, True]


def test_what_the_author_wrote_is_shown(ask):
    page = annotated("""[ChapterName "The trap"]

1. e4 {<b>Mine</b>\nand more [%cal Gd2d4,Re2e4][%csl Yd5]} e5 (1... c5 {Sharp.} 2. Nf3 (2. c3)) 2. Nf3 *""")
    act = """
    const says = () => page.querySelector(".says"), bar = () => page.querySelector(".bar").style.visibility;
    page.querySelectorAll(".moves a")[0].click();
    const note = says().querySelector(".note").textContent, count = kind => page.querySelectorAll(kind).length;
    const drawn = [".arrow.green", ".arrow.red", ".ring.yellow", ".note b"].map(kind => count(`.game ${kind}`));
    page.querySelectorAll(".moves a")[1].click();
    const lines = says().textContent.match(/Variation.*/)[0], shown = [bar()];
    says().querySelectorAll("a")[0].click();
    const sharp = says().querySelector(".note").textContent;
    shown.push(bar());
    page.querySelector("[data-go=first]").click();
    return [note, drawn, lines, sharp, shown, bar(), page.querySelector("h2").textContent.trim()];
    """
    note, drawn, lines, sharp, shown, last, name = ask(page, DESKTOP, act)
    assert note == "<b>Mine</b>\nand more"
    assert drawn == [1, 1, 1, 0]
    assert lines.strip() == "Variation: 1... c5 2. Nf3 Variation 2: 2. c3"
    assert sharp == "Sharp."
    assert (shown, last) == (["", "hidden"], ""), "nobody has judged the author's line"
    assert name.split() == ["The", "trap", "*"]


def test_a_click_on_a_card_or_the_curve_goes_to_its_move(ask, annotated_page):
    act = """
    const seen = [], note = () => seen.push(page.querySelector(".moves a[aria-current]").textContent);
    page.querySelector(".card").click(); note();
    const curve = page.querySelector(".expected"), box = curve.getBoundingClientRect();
    curve.dispatchEvent(new view.MouseEvent("click", { clientX: box.x + box.width, clientY: box.y + 9 })); note();
    curve.dispatchEvent(new view.MouseEvent("click", { clientX: box.x + box.width / 7, clientY: box.y + 9 })); note();
    return seen;
    """
    assert ask(annotated_page, DESKTOP, act) == ["Nf6??", "Qxf7#", "e4"]


def test_a_click_copies_a_game(ask, annotated_page):
    act = """
    const copied = [];
    view.navigator.clipboard.writeText = async text => { copied.push(text); };
    page.querySelectorAll(".moves a")[0].click();
    page.querySelectorAll("[data-copy]").forEach(button => button.click());
    return [...copied, page.querySelector("[data-copy]").textContent];
    """
    fen, pgn, label = ask(annotated_page, DESKTOP, act)
    assert fen == "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"
    assert pgn == GAME
    assert label == "Copied"


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_chances_are_told_in_words(ask, explained_page, width):
    act = """
    const parts = [...page.querySelectorAll(".wdl span")];
    const cut = parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.textContent);
    const bar = page.querySelector(".wdl");
    const white = bar.querySelector(".white"), paint = view.getComputedStyle(white).backgroundColor;
    return [bar.getAttribute("aria-label"), white === bar.firstElementChild, paint, parts.length, cut];
    """
    label, white_first, paint, count, cut = ask(explained_page, width, act)
    assert label.startswith("Chances: White wins ")
    assert white_first
    assert paint == "rgb(247, 245, 239)"
    assert count == 3
    assert not cut
