"""My games in a real browser: list, search, open, continue, delete, import, reviews that survive
the page.
"""

import json

import pytest

from tests.browser.web_board import on_boards, open_board, web_board
from tests.new_process import largest_file
from tests.uci.library.own_games import GAMES, text_of, write
from tests.unit.files.test_text import zipped

# White mates on a8 after Black's move.
PUZZLE = (
    "00x,6k1/5p1p/6p1/8/8/8/8/R5K1 b - - 0 1,h7h6 a1a8,1400,80,90,100,mate,https://lichess.org/x,\n"
)


@pytest.fixture
def games(chromium, tmp_path):
    write(tmp_path / "mine.pgn", *GAMES)
    with open_board(chromium, tmp_path) as tab:
        tab.click("[data-open=games]", until="games.rows.length === 3")
        yield tab


def choose(tab, player):
    tab.wait_for(f"games.rows.some(game => game.white === {player!r})")
    tab.script(f"games.choose(games.rows.find(game => game.white === {player!r}))")


def test_a_game_that_is_found_is_continued(games):
    assert games.script("document.querySelector('[data-game=open]').disabled"), (
        "there is no game to open yet"
    )
    games.click("#games-text")
    games.type("sicilian")
    games.wait_for("games.total === 1")
    assert "Cleo – anna" in games.script("document.querySelector('#games-list').textContent")
    games.click(".game-row")
    games.click("[data-game=open]", until="state.steps.length === 7 && !state.isGame")
    games.script("send('games_name', { name: 'Anna', mine: true }), openDialog('games')")
    games.wait_for("games.rows.length === 1 && games.rows[0].mine === 'black'")
    games.click(".game-row")
    games.click(
        "[data-game=continue]",
        until="state.isGame && state.human === 'black' && state.steps.length >= 8",
    )


def test_the_explorer_plays_what_was_played(games):
    games.script("document.querySelector('#games').close('cancel'), send('position', { fen: '' })")
    games.wait_for("state.analysing && document.querySelector('#explorer').checkVisibility()")
    games.click("#explorer-on", until="document.querySelectorAll('#explorer-list li').length === 2")
    rows = (
        "[...$('explorer-list').children].map(row => [...row.children].map(one => one.textContent))"
    )
    assert games.script(rows) == [["e4", "2", "50%50%"], ["d4", "1", "100%"]]
    games.script("document.querySelector('#explorer-list button').click()")
    games.wait_for(
        "state.steps.length === 2 && document.querySelectorAll('#explorer-list li').length === 2"
    )
    assert games.text("#opening") == "King's Pawn Opening"


def test_a_game_is_deleted_only_after_a_question(games, tmp_path):
    choose(games, "Cleo")
    games.click("[data-game=delete]")
    games.script("""new Promise(done => {  // as when a review in the background is ready
      const { found } = games;
      games.found = message => { found.call(games, message); done(1); };
      games.search();
    })""")
    assert games.script("document.querySelector('#games-sure').checkVisibility()"), (
        "it went with the list"
    )
    assert "Delete Cleo – anna, with its review?" in games.text("#games-sure")
    games.script("document.querySelector('#games').close('cancel'), openDialog('games')")
    assert not games.script("document.querySelector('#games-sure').checkVisibility()"), (
        "it came back unasked"
    )
    assert "Cleo" in (tmp_path / "mine.pgn").read_text()
    games.click("[data-game=delete]")
    games.click("[data-game=sure]", until="games.rows.length === 2")
    assert "Cleo" not in (tmp_path / "mine.pgn").read_text()


def choose_two(tab):
    """Chooses the first two games of the list, the second one with Ctrl."""
    tab.script("""(() => {
      const [first, second] = document.querySelectorAll('.game-row');
      first.click();
      second.dispatchEvent(new MouseEvent('click', { ctrlKey: true, bubbles: true }));
    })()""")


def test_all_games_that_are_chosen_are_deleted(games):
    """The first one was, and the others stayed."""
    choose_two(games)
    games.click("[data-game=delete]")
    assert "Delete 2 games, with their reviews?" in games.text("#games-sure")
    games.click("[data-game=sure]", until="games.total === 1")


def test_the_question_goes_where_one_more_game_is_chosen(games):
    """It would have deleted a game of which it had not spoken."""
    games.click(".game-row")
    games.click("[data-game=delete]")
    choose_two(games)
    assert not games.script("document.querySelector('#games-sure').checkVisibility()")


def test_several_games_open_no_board(games):
    choose_two(games)
    disabled = "[...$('games-actions').querySelectorAll(':disabled')].map(one => one.dataset.game)"
    assert games.script(disabled) == ["open", "continue"]


def test_an_imported_file_asks_for_ones_name_until_it_is_answered(games):
    """The question had no "none", and could not be asked again."""
    shown = "document.querySelector('#games-names').checkVisibility()"
    buttons = "[...document.querySelectorAll('#games-names button')].map(one => one.textContent)"
    games.wait_for(f"{shown} && {buttons}.at(-1) === 'None of these'")
    mine = text_of([("Me", f"P{number}", "2025.01.01", "1-0", "e4 e5 Nf3") for number in range(30)])
    games.script(f"games.take(new File([{json.dumps(mine)}], '../../lichess me.pgn')); 1")
    games.wait_for(f"games.total === 33 && {buttons}[0] === 'Me' && {shown}")
    games.script(
        "$('games-names').querySelector('input').focus(), document.execCommand('insertText', false, 'me')"
    )
    games.press("Enter")
    games.wait_for(f"games.rows.filter(game => game.mine).length === 30 && !{shown}")
    games.click("[data-games=names]")
    games.wait_for(
        f"{shown} && document.querySelector('#games-names [aria-pressed=true]').textContent === 'Me'"
    )
    games.click("#games-names [aria-pressed=true]", until="games.rows.every(game => !game.mine)")


def test_an_import_for_which_there_is_no_room_says_why(games, tmp_path):
    """It said that the file cannot be imported, and the terminal had a traceback."""
    with largest_file(1 << 20):
        games.script("games.take(new File(['1. e4 *\\n\\n'.repeat(300000)], 'big.pgn')); 1")
        games.wait_for(
            "document.querySelector('#games-status').textContent.includes('File too large')"
        )
    assert not [path.name for path in tmp_path.iterdir() if "big" in path.name]
    assert ["507" in failure for failure in games.failures] == [True]
    games.failures.clear()


def test_reviews_go_on_while_the_page_is_gone(games):
    games.script(
        "send('games_name', { name: 'anna', mine: true }), send('games_review', { key: '' })"
    )
    games.go(games.script("location.href"))
    games.wait_for("typeof state !== 'undefined' && state")
    games.script(
        "openDialog('games')",
        until="games.rows.filter(game => game.accuracy_white !== null).length === 2",
    )
    choose(games, "Anna")
    assert games.script("document.querySelector('#games-page').checkVisibility()")
    games.click(
        "[data-games=progress]",
        until="$('progress-body').textContent.includes('Those of 15 moves and more are counted')",
    )
    games.go(
        games.script("location.href")
        + games.script("document.querySelector('#games-page').getAttribute('href')")
    )
    assert "Anna – Ben" in games.text("h2")
    games.wait_for("replays[0].steps.length === 9")


def test_of_thousands_of_games_only_those_that_are_seen_are_drawn(chromium, tmp_path):
    """Each row that had been scrolled to stayed: a frame took 300 ms at the end of the list."""
    many = [(f"P{number}", "Me", "2025.01.01", "1-0", "e4 e5") for number in range(2_999)]
    write(tmp_path / "mine.pgn", *many, ("Zoe", "Me", "1999.01.01", "0-1", "d4"))
    with open_board(chromium, tmp_path) as tab:
        tab.script("openDialog('games')", until="games.total === 3000")
        tab.script("""(async () => { for (let step = 0; step < 100; step++) {
          document.querySelector('#games-list').scrollTop += 400;
          await new Promise(requestAnimationFrame);
        } })()""")
        tab.script("document.querySelector('#games-list').scrollTop = 1e7")
        shown = "[...document.querySelectorAll('.game-row')].map(row => row.textContent)"
        tab.wait_for(f"{shown}.some(text => text.includes('Zoe'))")
        assert tab.script("document.querySelectorAll('.game-row').length") < 50
        tab.script("[...document.querySelectorAll('.game-row')].at(-1).focus(), games.search()")
        tab.wait_for("games.asked.has(2950) && games.rows[2999].white === 'Zoe'")
        assert "Zoe" in tab.script("document.activeElement.textContent"), "new rows took the focus"


def drop(tab, kind, text, name=""):
    """Drags a text, or a file with it, over the page, or drops it there."""
    data = f"new Uint8Array({list(text)})" if isinstance(text, bytes) else json.dumps(text)
    content = (
        f"items.add(new File([{data}], {json.dumps(name)}))"
        if name
        else f"setData('text/plain', {data})"
    )
    tab.script(f"""(() => {{
      const dataTransfer = new DataTransfer();
      dataTransfer.{content};
      const event = new DragEvent({kind!r}, {{ dataTransfer, bubbles: true, cancelable: true }});
      if (document.querySelector('h1').dispatchEvent(event)) throw new Error('left to the browser');
    }})()""")


@on_boards({}, {"width": 390})
def test_a_dropped_file_is_imported(tab, tmp_path):
    outline = "getComputedStyle(document.body, '::after').borderTopStyle"
    drop(tab, "dragover", "1. e4 *", "a.pgn")
    assert tab.text("#status") == "Drop the file here to import it into My games."
    assert tab.script(outline) == "dashed"
    drop(tab, "drop", "1. e4 *", "a.docx")
    assert "A.docx cannot be imported: expected games".lower() in tab.text("#status").lower()
    assert tab.script(outline) == "none"
    drop(tab, "drop", zipped(text_of().encode()), "TWIC.ZIP")
    tab.wait_for("games.rows.length === 3 && document.querySelector('#games').open")
    drop(tab, "drop", PUZZLE, "p.csv")
    tab.wait_for("games.problem === '1 new puzzle.'")
    assert (tmp_path / "TWIC.pgn").exists()
    tab.script("document.querySelector('#games').close('cancel'), openDialog('load')")
    for encoding in ("cp1252", "utf-16", "utf-8"):
        drop(tab, "drop", f"1. f3 {{Grün, {encoding}}} *".encode(encoding), "one.pgn")
        tab.wait_for(
            f"document.querySelector('#load-text').value === '1. f3 {{Grün, {encoding}}} *'"
        )
    drop(tab, "drop", "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1")
    tab.wait_for("state.analysing && state.steps[0].fen.startsWith('8/8/8/4k3/')")


def test_a_foreign_page_cannot_import(chromium, tmp_path):
    with web_board(tmp_path) as server:
        tab = chromium.open("about:blank#")
        place = server.url + "import?name=x.pgn"
        tab.script(
            f"fetch({place!r}, {{ method: 'POST', body: '1. e4 *', mode: 'no-cors' }}).catch(() => 0)"
        )
        assert not list(tmp_path.glob("*.pgn"))
        tab.close()


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ("games.choose(games.rows[0]), games.mark(games.rows[1], 1, false)", 2),
        ("games.choose(null)", 3),
    ],
    ids=["those that are chosen", "all where none is"],
)
def test_games_of_the_list_are_saved(games, chosen, count):
    games.script(f"{chosen}, window.saved = []")
    games.script("HTMLAnchorElement.prototype.click = function () { saved.push(this.download); }")
    games.click("[data-games=pgn]", until="saved.length")
    saved = games.script("fetch('export').then(answer => answer.text())")
    assert saved.count("[White ") == count


def test_the_progress_leads_to_the_board_before_a_mistake(chromium, tmp_path):
    line = "e4 e5 Nf3 Nc6 Bc4 Bc5 c3 Nf6 d3 d6 Nbd2 a6 Nf1 Ba7 Ng3 O-O O-O h6 h3 Be6 "
    line += "Bb3 Qd7 Re1 Rfe8 Be3 Bxe3 Rxe3 d5 exd5 Qxd5 Bxd5 Bxd5"
    write(tmp_path / "mine.pgn", ("Ben", "You", "2024.01.02", "1-0", line))
    with open_board(chromium, tmp_path) as tab:
        tab.click("[data-open=games]", until="games.rows.length === 1")
        tab.script("send('games_review', { key: games.rows[0].key })")
        tab.wait_for("games.rows[0].accuracy_black !== null")
        tab.click("[data-games=progress]")
        tab.wait_for("$('progress-body').querySelector('table') !== null")
        assert "Italian Game" in tab.text("#progress-body")
        assert tab.script("$('progress-body').querySelectorAll('polyline').length") == 4
        row = "#progress-body tbody:last-of-type td button"
        tab.click(row, until="$('progress-body').querySelector('.positions button') !== null")
        tab.click(".positions button", until="state.lesson && !$('games').open")
        assert tab.script("state.names.black") == "You"


def test_arrow_keys_choose_games_and_delete_asks(games):
    games.script("games.choose(games.rows[0]), games.drawn.get(0).row.focus()")
    games.press("ArrowDown")
    assert games.script("[...games.chosen.keys()][0] === games.rows[1].key")
    games.press("Delete")
    assert games.script("!$('games-sure').hidden")
