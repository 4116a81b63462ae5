"""A walk through everything that people see, in another language."""

import json
import re

import chess

from tests.browser.test_web_board import drag, load, wait_for_moves
from tests.browser.web_board import ScriptedEngine, web_board
from tests.uci.library.own_games import text_of
from uci.game.timed_game import Setup

ANSWERS = ("e7e5", "b8c6", "g8f6", "f6h5")  # White can mate on f7, and gives the queen away instead

# Of English alone; no such words are in German, French or Spanish.
ENGLISH = re.compile(
    r"\b(the|of|is|are|your|you|and|with|this|that|to|from|game|games|move|moves|moved|better|win|wins|loses|misses"
    r"|mistake|blunder|accuracy|played|plays|expected|cannot|white|black|king|queen|rook|pawn|board|side)\b",
    re.IGNORECASE,
)
# Texts and what screen readers say, but for the names of openings, players, languages and files,
# and PGN.
SHOWN = """(() => {
  const found = new Set(), own = "script, style, #opening, .named, .game > h2, .game > p, bdi, option[lang], textarea";
  const note = text => text?.trim() && found.add(text.trim());
  const walk = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (!walk.currentNode.parentElement?.closest(own)) note(walk.currentNode.data);
  for (const element of document.querySelectorAll("*"))
    for (const name of ["title", "aria-label", "aria-roledescription", "placeholder", "alt"])
      note(element.getAttribute(name));
  return [...found];
})()"""


# What a page sends, and what the answer says.
ERRORS = [
    ("type", {"text": "Ke3"}, "Ke3 ist nicht erlaubt"),
    ("type", {"text": "e2e5"}, "Ihr Bauer auf e2 kann nur nach e3 oder e4 ziehen"),
    ("level", {"level": "elo 9999"}, "9999 geht nicht"),
    ("position", {"fen": "8/8/8/8/8/8/8/8 w - - 0 1"}, "Aufstellung: Weiß hat keinen König"),
    ("load", {"text": "hello", "game": 1}, "keine Partie im PGN-Format (1:1: 'hello': weder"),
]


def english_on(tab):
    """What is English on the page."""
    return [text for text in tab.script(SHOWN) if ENGLISH.search(text)]


def test_no_english_sentence_is_left_on_a_german_page(chromium, tmp_path):
    """Reviews with their reasons and boards, and errors of moves, positions and files, were in
    English only.
    """
    (tmp_path / "mine.pgn").write_text(text_of())
    with web_board(tmp_path, Setup(human=chess.WHITE), lambda: ScriptedEngine(ANSWERS)) as server:
        tab = chromium.open(f"{server.url}?language=de")
        tab.wait_for("state")
        for request, fields, answer in ERRORS:
            tab.script(f"send({request!r}, {json.dumps(fields)})")
            tab.wait_for(
                f"document.querySelector('#status').textContent.includes({json.dumps(answer)})"
            )
            assert not english_on(tab)
        lose_and_review(tab)
        tab.script("send('analyse', { on: true })", until="linesHere()")
        assert not english_on(tab)
        tab.click(
            "[data-open=games]",
            until="games.rows.length === 4 && games.rows[0].accuracy_white !== null",
        )
        tab.script("games.choose(games.rows[0]), gameDeeds.delete(), openDialog('progress')")
        tab.wait_for("document.querySelector('#progress-body').firstChild !== null")
        key = tab.script("games.rows[0].key")
        assert "Sie – Aino" in tab.text("#games-sure")
        assert not english_on(tab)
        tab.script("document.querySelector('#games').close('cancel'), openDialog('puzzles')")
        tab.wait_for("puzzleBoard.legal.length")
        tab.script("send('puzzles_answer')")
        tab.wait_for("document.querySelector('#puzzle-says').textContent.startsWith('Die Lösung')")
        assert not english_on(tab)
        tab.script("document.querySelector('#puzzles').close('cancel')")
        tab.go(f"{server.url}review?game={key}")
        assert "Grober Fehler: verpasst Matt in 1. Ihre Gewinnchancen sinken von" in tab.text(
            ".cards"
        )
        assert "Besser:" in tab.script(
            "replays[0].go(7), document.querySelector('.says').textContent"
        )
        assert not english_on(tab)
        assert not tab.failures
        tab.close()


def lose_and_review(tab):
    """Plays White's side of a game against ANSWERS until there is a mistake, resigns and has the
    game reviewed.
    """
    for number, (source, target) in enumerate(
        (("e2", "e4"), ("d1", "h5"), ("f1", "c4"), ("a2", "a3")), 1
    ):
        drag(tab, source, target)
        wait_for_moves(tab, 2 * number)
    tab.script("send('resign')", until="state.end && state.saved")
    tab.click("#review-button", until="document.querySelector('#review-link').checkVisibility()")


def test_moves_are_shown_in_ones_own_letters(tab):
    tab.script("speak('fr')")
    tab.wait_for("document.documentElement.lang === 'fr' && typeof state !== 'undefined' && state")
    load(tab, "1. Nf3 Nf6 *", 2)
    tab.script("openDialog('look'), document.querySelector('#look [name=letters]').click()")
    tab.wait_for("typeof state !== 'undefined' && state?.steps.at(-1).san === 'Cf6'")
    assert "Cf3" in tab.text("#moves")
    assert "Nf3 Nf6" in tab.script("fetch('game.pgn').then(answer => answer.text())")
