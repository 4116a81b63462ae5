"""Studying in a real browser, by keys and ears alone: reviewed games, puzzles, sorted lists, an
explorer's games.
"""

import json

import chess
import pytest

from tests.browser.test_games import PUZZLE
from tests.browser.test_variations import ANALYSIS, heard
from tests.browser.test_web_board import drag, load, lose_connection
from tests.browser.web_board import on_boards, open_board

GAME = """[White "Rameshbabu, P."]
[Black "Müller-Breidenbach, Karl"]
[Date "2024.03.02"]
[Result "1-0"]

1. e4 { [%clk 0:05:00] } e5 { [%clk 0:04:58] } 2. Qh5 { [%clk 0:04:50] } Nc6 { [%clk 0:04:40] }
3. Bc4 { [%clk 0:04:45] } Nf6 { [%clk 0:04:30] } 4. Qxf7# { [%clk 0:04:40] } 1-0

[White "Anna"]
[Black "Zoe"]
[Result "*"]

1. e4 c5 2. Nf3 *
"""


@pytest.fixture
def study(chromium, tmp_path):
    (tmp_path / "club.pgn").write_text(GAME, encoding="utf-8")
    (tmp_path / "names.json").write_text('["müller-breidenbach, karl"]', encoding="utf-8")
    with open_board(chromium, tmp_path, **ANALYSIS) as tab:
        tab.script("openDialog('games')", until="games.rows.length === 2")
        yield tab


def press(tab, place, until="true"):
    """Goes to a place that keys can reach, presses Enter there, and waits for what it leads to."""
    control = f"document.querySelector({json.dumps(place)})"
    tab.wait_for(
        f"{control} && !{control}.disabled && {control}.checkVisibility() && {control}.tabIndex === 0"
    )
    tab.script(f"{control}.focus()")
    assert tab.script(f"document.activeElement === {control}")
    tab.press("Enter")
    tab.wait_for(until)


def open_game(tab, white):
    row = f"#games [data-key='{tab.script(f'games.rows.find(game => game.white === {white!r}).key')}']"
    tab.script("games.choose(null)")
    press(tab, row)
    press(tab, row)
    tab.wait_for("!$('games').open && state.names.white === " + json.dumps(white))


def test_a_reviewed_game_opens_from_ones_own_side(study):
    """It opened at its end, from White's side, without clocks, and its marks stood in another tab."""
    study.script(
        "send('games_review', { key: games.rows.find(game => game.result === '1-0').key })"
    )
    study.wait_for("games.rows.some(game => game.accuracy_black !== null)")
    open_game(study, "Rameshbabu, P.")
    clocks = "['above', 'below'].map(place => $(place).querySelector('.clock').textContent)"
    assert study.script(f"[here(), live.view.flipped, {clocks}]") == [0, True, ["", ""]]
    study.wait_for("Object.keys(marks).length")
    study.script("look(6)", until="wanted === null && here() === 6")
    assert study.script(f"[shownStep().san, {clocks}]") == ["Nf6", ["4:45", "4:30"]]
    assert "3... Nf6?? Blunder: allows mate in 1" in heard(study)
    arrows = study.script(
        "document.querySelectorAll('#board .arrow.better, #board .arrow.threat').length"
    )
    assert arrows == 2
    assert study.script("document.querySelectorAll('#board .glyph').length") == 1
    # new lines of the engine move the curve
    study.script("send('lines', { on: false, count: 3 })", until="!state.shows.on")
    box = study.box("#curve")
    study.drag([(box["right"] - 2, box["top"] + 5)])
    study.wait_for("wanted === null && here() === state.last")
    assert study.script("document.querySelectorAll('#curve .dot.blunder').length") == 1
    study.script("send('position', { fen: '' })", until="state.steps.length === 1")
    press(study, "#back-to-review")
    study.wait_for(
        "!state.isGame && Object.keys(marks).length && $('review-page').checkVisibility()"
    )


def test_a_mistake_is_mended_on_the_board(study):
    """One was shown what had been better, or played on against Aino from there."""
    study.script(
        "send('games_review', { key: games.rows.find(game => game.result === '1-0').key })"
    )
    study.wait_for("games.rows.some(game => game.accuracy_black !== null)")
    open_game(study, "Rameshbabu, P.")
    study.wait_for("Object.keys(marks).length")
    press(study, "#next-mistake", until="state.lesson && here() === 5")
    assert "3... Nf6. Find a better move." in heard(study)
    seen = "['curve', 'lines', 'edit'].filter(id => $(id).checkVisibility())"
    assert study.script(seen) == []
    coming = "[6, 7].filter(id => buttons.get(id).checkVisibility())"
    assert study.script(coming) == []
    drag(study, "a7", "a6")
    study.wait_for("state.lesson.says")
    assert "allows mate in 1" in heard(study)
    assert study.script("document.querySelectorAll('#board .arrow').length") == 2
    drag(study, *map(chess.square_name, study.script("marks[6].better")))
    study.wait_for("state.lesson.over")
    assert study.script(coming) == [6, 7]
    press(study, "#leave", until="state.lesson === null && here() === 6")
    assert study.script("$('curve').checkVisibility()")


def test_the_list_is_sorted(study):
    whites = "games.rows.map(game => game.white)"
    for order, first in (("white", "Anna"), ("-white", "Rameshbabu, P.")):
        until = f"games.order === '{order}' && {whites}[0] === '{first}'"
        press(study, "[data-sort=white]", until=until)
    assert study.script("document.querySelector('[data-sort=white]').title") == "descending"


def test_a_search_survives_a_lost_connection(study):
    lose_connection(study)
    study.script("$('games-text').value = 'zoe', $('games-text').dispatchEvent(new Event('input'))")
    study.script("reconnect()", until="games.total === 1")


def test_the_explorer_leads_to_the_games_of_a_file(study):
    study.script("$('games').close('cancel'), $('explorer-on').click()")
    study.wait_for(
        "[...$('explorer-side').options].some(option => option.value === 'file:club.pgn')"
    )
    study.script("$('explorer-side').value = 'file:club.pgn', send('explore', { moves: ['e2e4'] })")
    counts = "[...document.querySelectorAll('#explorer-list .count')].map(one => one.ariaLabel)"
    study.wait_for(f"{counts}.join() === '1 game with c5,1 game with e5'")
    listed = "$('games').open && games.total === 1 && games.rows[0].white === 'Anna'"
    press(study, "#explorer-list .count", until=listed)
    assert study.text("#games-line").startswith("After 1. e4 c5, in club.pgn")
    open_game(study, "Anna")
    study.wait_for("state.here === 2")


def test_a_puzzle_says_why_a_try_fails(study, monkeypatch):
    """It said "Try again", and "Due: 0 of 3,001"."""
    monkeypatch.setattr("uci.library.puzzle_stock.read_set", lambda: iter(()))
    study.script(
        f"games.take(new File([{json.dumps(PUZZLE)}], 'p.csv')); 1",
        until="games.problem === '1 new puzzle.'",
    )
    for name, value in (("source", "others"), ("rating", "1300-1600"), ("theme", "mate")):
        study.script(f"$('puzzle-{name}').value = '{value}'")
    study.script(
        "$('games').close('cancel'), openDialog('puzzles')",
        until="puzzle?.fen.startsWith('6k1/5p2/6pp/')",
    )
    assert study.text("#puzzle-origin").strip() == "From an imported file. https://lichess.org/x"
    assert "Due" not in study.text("#puzzle-standing")
    stands = "puzzleBoard.legal.length > 0 && puzzleBoard.view.state.placement === puzzle.fen.split(' ')[0]"
    study.script("socket.send = () => {}, puzzleBoard.play(0, 1, 'a1b1')")  # it is lost on its way
    lose_connection(study)
    study.script("reconnect()", until=stands)
    study.script("puzzleBoard.cursor = 0, $('puzzle-board').focus()")
    for key in ("Enter", *["ArrowUp"] * 6, "Enter"):
        study.press(key)
    study.wait_for("!$('puzzle-again').hidden")
    assert "Ra7 is not the move: another move is better." in heard(study)
    assert study.script("puzzleBoard.base.arrows.length") == 2
    press(study, "#puzzle-again")
    assert study.script("document.activeElement.id") == "puzzle-board"
    study.script("send('puzzles_move', { uci: 'a1a8' })", until="puzzle.over")
    study.script("$('puzzle-source').value = 'mine'")
    press(study, "[data-puzzle=next]", until="!puzzle.fen")
    assert "No such puzzle is left for today." in heard(study)
    assert study.script("puzzleBoard.base.placement") == "8/8/8/8/8/8/8/8", "the one before"


@on_boards(ANALYSIS)
def test_a_step_in_a_long_game_leaves_its_moves_as_they_stand(tab):
    """Each step made the list of all moves anew."""
    tab.script("send('lines', { on: false, count: 1 })")
    knights = [("Nf3", "Nc3"), ("Nf6", "Nc6"), ("Ng1", "Rg1"), ("Ng8", "Rg8")]
    words = []
    for ply in range(200):
        move, rival = knights[ply % 4]
        number = f"{ply // 2 + 1}.{'..' * (ply % 2)} "
        words.append(
            f"{number}{move}" + (f" ({number}{rival} {{ An idea. }})" if ply % 10 == 5 else "")
        )
    load(tab, " ".join(words) + " *", 200)
    tab.script("look(1)", until="state.here === 1 && wanted === null")
    tab.script("""window.changed = 0, new MutationObserver(all => {
      changed += all.reduce((sum, one) => sum + one.addedNodes.length, 0);
    }).observe($('moves'), { childList: true, subtree: true }), 1""")
    tab.script("goes.on()", until="state.here === 2 && wanted === null")
    assert tab.script("new Promise(requestAnimationFrame).then(() => changed)") < 10


@on_boards(ANALYSIS)
def test_what_players_of_a_rating_play_stands_beside_the_lines(tab):
    load(tab, "1. e4 e5 2. Nf3 *", 3)
    tab.script("$('people-rating').value = '1100'")
    tab.click(
        "#people-on", until="people.list.host.childNodes.length && people.asked.endsWith('1100')"
    )
    tab.script("look(3)", until="people.asked === `${shownStep().fen} 1100`")
    tab.wait_for("people.list.host.textContent.startsWith('Nc6')")
    tab.go(tab.script("location.href"))
    tab.wait_for("typeof people !== 'undefined' && people.list.host.childNodes.length > 0")
    assert tab.script("$('people-rating').value") == "1100"
    tab.click("#people-list button", until="state.steps.at(-1).san === 'Nc6'")
