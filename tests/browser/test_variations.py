"""Variations on the board: shown beside their move, kept, stepped through, announced; the keys of
what is open.
"""

import chess
import pytest

from tests.browser.conftest import annotated
from tests.browser.test_web_board import load
from tests.browser.web_board import FREE, SCHOLARS_MATE, ScriptedEngine, on_boards
from uci.game.timed_game import Setup

STUDY = """[ChapterName "The trap"]

1. e4 (1. d4 d5 2. c4 e6 (2... c6 3. Nf3) 3. Nc3) (1. c4 { English. }) e5 2. Qh5 Nc6
(2... Nf6 { Gives a pawn. } 3. Qxe5+) 3. Bc4 Nf6 4. Qxf7# 1-0
"""
GAME = {"load": lambda: ScriptedEngine(SCHOLARS_MATE)}
ANALYSIS = FREE | GAME


def heard(tab):
    """What a screen reader finds in the live regions of the page, or of the dialog before it: none
    that is hidden.
    """
    nodes = {node["nodeId"]: node for node in tab.call("Accessibility.getFullAXTree")["nodes"]}

    def words(node):
        if node.get("role", {}).get("value") == "StaticText":
            return str(node["name"]["value"])
        return " ".join(words(nodes[child]) for child in node.get("childIds", []) if child in nodes)

    live = ("status", "alert")
    return " ".join(words(node) for node in nodes.values()
                    if not node.get("ignored") and node.get("role", {}).get("value") in live)  # fmt: skip


@on_boards(ANALYSIS)
def test_variations_stand_beside_their_moves(tab):
    load(tab, STUDY, 7)
    shown = tab.script(
        "[...$('moves').querySelectorAll('.main-moves > *')].map(one => one.textContent)"
    )
    assert shown[:7] == ["1.", "e4", "…", "1.d4d52.c4e62...c63.Nf33.Nc3", "1.c4English.", "1.", "…"]
    for move in ("c7c5", "e7e6", "c7c5"):
        tab.script("look(1)", until="state.here === 1 && wanted === null")
        tab.script(f"send('move', {{ uci: '{move}' }})", until="state.here !== 1")
    assert tab.script("tree.get(1).next.map(id => tree.get(id).san)") == ["e5", "c5", "e6"]
    rivals = (
        "[...$('moves').querySelectorAll('.main-moves > .variation')].map(one => one.textContent)"
    )
    assert tab.script(rivals)[2:4] == ["1...c5", "1...e6"]


@on_boards(ANALYSIS)
def test_stepping_through_a_game_says_the_move(tab):
    """The status was said again and again, and the move stood in the label of a drawing that nobody
    hears.
    """
    load(tab, STUDY, 7)
    sentences = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Home"):
        tab.press(key)
        tab.wait_for("state.here === here()")
        sentences.append(heard(tab))
    assert sentences == ["1. e4", "1... e5", "1. e4", "Start position"]
    tab.script("look(tree.get(0).next[2])")
    assert heard(tab) == "Variation: 1. c4 English."


@on_boards(ANALYSIS)
def test_each_key_is_one_move_however_fast(tab):
    load(tab, STUDY, 7)
    tab.press("Home")
    tab.script("goes.on(), goes.on(), goes.on(), goes.back(), goes.on()")
    tab.wait_for("state.here === here() && pathTo(state.here).length === 4")


@on_boards(ANALYSIS)
def test_shift_goes_from_variation_to_variation(tab):
    load(tab, STUDY, 7)
    tab.press("Home")
    tab.press("ArrowRight")
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        pressed = f"{{ key: '{key}', shiftKey: true, bubbles: true }}"
        tab.script(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {pressed}))")
        seen.append(heard(tab))
    assert seen == [
        "Variation: 1. d4",
        "Variation: 1. c4 English.",
        "1. e4",
        "Variation: 1. c4 English.",
    ]


@on_boards(GAME)
def test_looking_back_in_a_running_game_says_the_move(tab):
    tab.script("send('type', { text: 'e4' })", until="state.steps.length === 3 && !state.thinking")
    assert heard(tab) == "1... e5. Your move."
    tab.press("ArrowLeft")
    assert heard(tab) == "1. e4"
    tab.press("ArrowRight")
    assert heard(tab) == "1... e5. Your move."


def test_what_is_said_is_heard_in_front_of_any_dialog(tab):
    for dialog in tab.script("[...document.querySelectorAll('dialog')].map(dialog => dialog.id)"):
        tab.script(f"openDialog('{dialog}'), say('Something new')")
        assert "Something new" in heard(tab), dialog
        tab.script(f"$('{dialog}').close('cancel')")
    tab.script("drawCurtain('Elsewhere', false)")
    assert heard(tab) == "Elsewhere"


OPEN = "[...document.querySelectorAll('dialog[open]')].map(dialog => dialog.id)"


@on_boards(GAME)
def test_keys_go_to_the_dialog_that_is_open_whatever_has_the_focus(tab):
    """A click on the puzzle and `u` took back a move of the game behind it."""
    tab.script("send('type', { text: 'e4' })", until="state.steps.length === 3 && !state.thinking")
    tab.script("window.asked = [], send = (...words) => asked.push(words)")
    for dialog in tab.script("[...document.querySelectorAll('dialog')].map(dialog => dialog.id)"):
        tab.script(f"openDialog('{dialog}'), asked = [], document.activeElement.blur()")
        before = tab.script("[browsed, live.view.flipped, choices.sound, state.steps.length]")
        for key in ("u", "n", "h", "a", "f", "s", "/", "?", "ArrowLeft", "Home"):
            tab.press(key)
        assert tab.script("asked") == [], dialog
        assert tab.script(OPEN) == [dialog]
        assert (
            tab.script("[browsed, live.view.flipped, choices.sound, state.steps.length]") == before
        ), dialog
        tab.press("Escape")
        tab.wait_for(f"!$('{dialog}').open")
    tab.press("u")
    assert tab.script("asked.at(-1)") == ["take_back"]


@on_boards({"setup": Setup(chess.Board("8/P6k/8/8/8/8/8/K7 w - - 0 1"))})
def test_keys_leave_the_game_alone_while_a_promotion_is_chosen(tab):
    tab.script(
        "live.selected = 48, live.moveTo(56), window.asked = [], send = (...words) => asked.push(words)"
    )
    for key in ("u", "n", "h"):
        tab.press(key)
    assert tab.script(f"[asked.length, {OPEN}.length]") == [0, 0]
    tab.script("document.activeElement.blur()")
    tab.press("Escape")
    assert tab.script("document.querySelector('#board .promotion').hidden")
    tab.script("$('board').focus(), live.selected = 48, live.moveTo(56)")
    tab.press("Enter")
    assert tab.script("[asked.at(-1)[1].uci, document.activeElement.id]") == ["a7a8q", "board"], (
        "not the page's start"
    )


@on_boards(ANALYSIS)
def test_arrow_keys_step_from_anywhere_on_the_page(tab):
    """A focused checkbox swallowed them. What uses an arrow itself keeps it."""
    load(tab, STUDY, 7)
    tab.script("send('lines', { on: false, count: 3 })")  # whose moves come and go
    tab.wait_for("!state.shows.on && !document.querySelector('#line-list button')")
    places = tab.script("""[...document.querySelectorAll('button, input, select, textarea, a[href], [tabindex]')]
      .filter(place => place.checkVisibility() && !place.disabled).map((place, index) => {
        place.dataset.test = index;
        return [index, place.type ?? place.tagName.toLowerCase(), place.id];
      })""")
    swallowed = set()
    for index, kind, name in places:
        tab.script("look(1)", until="state.here === 1 && wanted === null")
        tab.script(f"document.querySelector('[data-test=\"{index}\"]').focus()")
        tab.press("ArrowRight")
        if tab.script("here()") != 2:
            swallowed.add((kind, name))
        tab.script("document.activeElement.blur()")
    assert {kind for kind, _ in swallowed} == {"select-one", "text", "textarea", "div"}
    assert {name for kind, name in swallowed if kind == "div"} == {"board"}, (
        "whose squares the arrows choose"
    )


def test_stepping_through_a_review_says_the_move_alone(chromium, tmp_path):
    """Each step in a variation read out the whole move and all that stands beside it, but not where
    one was.
    """
    file = tmp_path / "page.html"
    file.write_text(
        annotated("1. e4 e5 2. Qh5 Nc6 (2... Nf6 3. Qxe5+ (3. Qf3 { Timid. } 3... Nc6)) 3. Bc4 *"),
        encoding="utf-8",
    )
    tab = chromium.open(file.as_uri())
    tab.press("ArrowRight")
    assert heard(tab).startswith("1. e4 ")
    tab.script("document.querySelector('.praises').focus()")
    tab.press("ArrowRight")
    assert heard(tab).startswith("1... e5 "), "a focused checkbox lets the keys pass"
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    tab.script(
        "[...document.querySelectorAll('.says a')].find(link => link.textContent === '3. Qf3').click()"
    )
    assert heard(tab) == "3. Qf3. Timid."
    assert tab.text(".says a[aria-current]") == "3. Qf3"
    assert (
        tab.script("replays[0].shown.fen.split(' ')[0]")
        == "rnbqkb1r/pppp1ppp/5n2/4p3/4P3/5Q2/PPPP1PPP/RNB1KBNR"
    )
    tab.press("ArrowRight")
    assert heard(tab) == "Nc6"
    tab.press("ArrowLeft")
    tab.press("ArrowLeft")
    assert heard(tab) == "2... Nf6"
    assert not tab.failures
    tab.close()


@on_boards(GAME)
def test_keys_alone_reach_every_control_of_each_dialog(tab):
    shown = "[...{}.querySelectorAll({!r})].filter(one => one.checkVisibility() && !one.disabled)"
    for dialog in tab.script(
        f"{shown.format('document', '[data-open]')}.map(button => button.dataset.open)"
    ):
        for _ in range(60):
            if tab.script("document.activeElement.dataset.open") != dialog:
                tab.press("Tab")
        tab.press("Enter")
        tab.wait_for(f"$('{dialog}').open")
        controls = shown.format(
            f"$('{dialog}')", "button, a[href], input, select, textarea, [tabindex='0']"
        )
        tab.script(
            f"window.left = new Map({controls}.map(one => [one.type === 'radio' ? one.name : one, one]))"
        )
        for _ in range(60):
            tab.press("Tab")
            tab.script(
                "one = document.activeElement, left.delete(one.type === 'radio' ? one.name : one)"
            )
        assert tab.script("[...left.values()].map(one => one.outerHTML)") == [], dialog
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        focusable = [node for node in nodes if "'focusable'" in str(node.get("properties"))]
        assert not [node["role"] for node in focusable if not node["name"]["value"]], dialog
        tab.press("Escape")
        tab.wait_for(f"!$('{dialog}').open && document.activeElement.dataset.open === '{dialog}'")


LONG = "Fehler: verliert einen Springer und zwei Bauern durch eine Gabel des Springers auf c7 gegen König und Turm. "


@pytest.mark.parametrize(
    ("tab", "words"),
    [({**ANALYSIS, "width": width, "height": height}, LONG * repeats)
     for width, height in ((1366, 768), (1920, 1080), (390, 844), (320, 568), (844, 390)) for repeats in (1, 3)],
    indirect=["tab"],
)  # fmt: skip
def test_what_a_review_says_of_a_move_is_seen_whole(tab, words):
    """In windows of usual laptops its last lines were cut off."""
    load(tab, "1. e4 e5 2. Nf3 Nc6 3. Bc4 Nd4 4. Nxe5 Qg5 5. Nxf7 Qxg2 6. Rf1 Qxe4+ *", 12)
    review = f"{{ marks: {{ 11: {{ nag: 2, says: '{words}', better: [1, 18] }} }}, curve: [[0, 0.5], [11, 0.1]] }}"
    tab.script(f"showReview({{ running: false, ready: true, done: 1, total: 1, ...{review} }})")
    tab.script("look(11)", until="state.here === 11 && lineList.host.childNodes.length > 1")
    box = tab.box("#status .told")
    height = tab.script("innerHeight")
    assert 0 <= box["top"] < box["bottom"] <= (height if height > 600 else 2 * height)
