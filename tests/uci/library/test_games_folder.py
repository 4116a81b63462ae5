"""My games for the page: names, imports, requests that are none, and reviews of games that go."""

import gzip
import json
import threading

import pytest

from tests.new_process import wait_until
from tests.uci.library.own_games import (
    FAY,
    GAMES,
    delete,
    lines_of,
    row_of,
    shelf_in,
    text_of,
    wait_for_worker,
)
from tests.uci.library.test_background import reviews_in, wait_until_reviewed
from tests.uci.library.test_reviews import JUNK, kept_of
from tests.unit.files.test_text import zipped
from uci.game.game_file import REVIEWS, pgn_files
from uci.library.game_files import WISH, review_files, review_path
from uci.library.games_folder import GamesFolder
from uci.library.own_names import NAMES, OwnNames
from uci.library.worker import GamesWorker
from uci.web import games_requests
from uci.web.games_service import GamesService

# ---- one's own names -----------------------------------------------------------------------------

NO_NAMES = JUNK[1:10]


@pytest.mark.parametrize("junk", NO_NAMES, ids=range(len(NO_NAMES)))
def test_names_that_cannot_be_read_survive_one_that_is_added(tmp_path, junk):
    """A number there was a TypeError."""
    (tmp_path / NAMES).write_bytes(junk.encode(errors="surrogatepass"))
    names = OwnNames(tmp_path)
    assert NAMES in names.read()[0]
    assert names.all == ["you"]
    names.change(" Anna ", True)
    assert not names.read()
    assert names.all == ["you", "anna"]
    (damaged,) = tmp_path.glob(f"{NAMES}.*")
    assert damaged.read_bytes() == junk.encode(errors="surrogatepass")


def test_names_that_another_editor_wrote_are_read(tmp_path):
    """With its mark of UTF-8, the file was damaged."""
    (tmp_path / NAMES).write_text('["Anna"]', encoding="utf-8-sig")
    assert OwnNames(tmp_path).told == ["Anna"]


def test_a_name_is_dropped_whatever_its_capitals(tmp_path):
    names = OwnNames(tmp_path)
    for name in ("Anna", "ANNA", "Émile ÖZIL"):
        names.change(name, True)
    names.change("anna", False)
    assert OwnNames(tmp_path).told == names.told == ["Émile ÖZIL"]


def test_names_that_two_programs_note_are_both_kept(tmp_path):
    for names, name in [(OwnNames(tmp_path), "Anna"), (OwnNames(tmp_path), "Ben")]:
        names.change(name, True)
    assert OwnNames(tmp_path).told == ["Anna", "Ben"]


def test_names_are_shown_as_the_games_spell_them(games, tmp_path):
    (tmp_path / NAMES).write_text('["anna", "nobody"]')
    messages = []
    shelf = shelf_in(tmp_path, messages.append)
    shelf.ask(GamesService.refresh)
    wait_until(lambda: any(message["do"] == "games_read" for message in messages))
    shelf.ask(games_requests.names)
    wait_until(lambda: messages[-1]["do"] == "games_names")
    assert messages[-1]["own"] == ["Anna", "nobody"]
    shelf.close()


# ---- the worker ----------------------------------------------------------------------------------


def test_a_change_is_made_though_the_board_closes(tmp_path):
    """A game that was deleted just before the end stayed."""
    begun, goes_on, done = (threading.Event() for _ in range(3))
    worker = GamesWorker(tmp_path, print)
    worker.do(lambda games: (begun.set(), goes_on.wait(30.0), games.add_name("Ada")))
    worker.do(lambda games: done.set())
    assert begun.wait(30.0)
    worker.close()
    goes_on.set()
    assert done.wait(30.0)
    assert OwnNames(tmp_path).told == ["Ada"]


def test_questions_are_answered_between_two_steps(tmp_path):
    """They waited for the end of an import."""
    order = []
    worker = GamesWorker(tmp_path, print)
    done = threading.Event()

    def steps(games):
        for number in range(3):
            order.append(f"step {number}")
            if not number:
                worker.do(lambda games: order.append("question"))
            yield
        done.set()

    worker.do(steps)
    assert done.wait(30.0)
    assert order == ["step 0", "question", "step 1", "step 2"]
    worker.close()


def failing(games):
    yield
    raise KeyError("x")


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda games: [].pop(), "IndexError: pop from empty list"),
        (failing, "KeyError: 'x'"),
    ],
)
def test_no_work_ends_without_a_word(tmp_path, work, sentence):
    """Of what was no expected error, nobody heard."""
    errors = []
    worker = GamesWorker(tmp_path, errors.append)
    worker.do(work)
    wait_until(lambda: errors)
    assert errors == [sentence]
    worker.close()


def test_no_reading_ends_without_a_word(tmp_path, monkeypatch):
    """The list had "0 games"."""
    messages = []
    monkeypatch.setattr(GamesFolder, "refreshing", lambda games, *rest: 1 // 0)
    shelf = shelf_in(tmp_path, messages.append)
    shelf.ask(GamesService.refresh)
    wait_until(lambda: messages)
    assert "ZeroDivisionError" in messages[-1]["problems"][0]
    shelf.close()


def test_no_review_ends_without_a_word(games, tmp_path, monkeypatch):
    reviews = reviews_in(tmp_path)
    monkeypatch.setattr(reviews, "_load", lambda: 1 // 0)
    (tmp_path / REVIEWS / f"{'0' * 24}{WISH}").touch()
    reviews.begin()
    wait_until(lambda: "ZeroDivisionError" in reviews.problem)


@pytest.mark.parametrize(
    "name",
    ["../../x.pgn", "/etc/x.pgn", "..", "", ".hidden", "a\0b", "\ud800.pgn", "棋" * 80, "CON"],
)
def test_an_upload_stays_in_the_folder(tmp_path, name):
    path = shelf_in(tmp_path).upload_path(name)
    assert path.parent == tmp_path
    path.touch()


# ---- reviews of games that go --------------------------------------------------------------------


def test_a_background_review_of_a_game_that_was_deleted_is_not_kept(games, tmp_path):
    """It came back."""
    begun, goes_on = threading.Event(), threading.Event()
    reviews = reviews_in(tmp_path, lambda: (begun.set(), goes_on.wait(60.0)))
    reviews.add([line := lines_of(games)[0]])
    assert begun.wait(60.0)
    delete(games, "Dora")
    reviews.add([line])  # and is wished for again
    goes_on.set()
    wait_until_reviewed(reviews)
    wait_until(lambda: reviews._job is None)
    assert not review_files(tmp_path)


def kept_on_board(tmp_path, text):
    """The reviews in the folder after the board has reviewed a game."""
    shelf = shelf_in(tmp_path)
    shelf.keep(kept_of(text))
    shelf.ask(lambda shelf, games: None)
    wait_until(lambda: shelf._worker._thread._work_queue.empty())
    wait_for_worker(shelf)
    shelf.close()
    return review_files(tmp_path)


def test_the_boards_review_of_an_opened_game_is_kept(games, tmp_path):
    """It was thrown away, and was in no list, progress or puzzles."""
    games.add_name("Anna")
    assert len(kept_on_board(tmp_path, text_of(GAMES[1:2]))) == 1
    games.refresh()
    assert len(games.catalogue.reviewed()) == 1


def test_the_boards_review_of_a_game_that_is_in_no_file_is_not_kept(games, tmp_path):
    assert not kept_on_board(tmp_path, "1. h4 *")


def test_puzzles_of_a_deleted_game_go_with_it(games, tmp_path):
    puzzle = {"fen": "7k/8/5KQ1/8/8/8/8/8 w - - 0 1", "moves": ["g6g7"], "themes": []}
    fields = json.loads(kept_of(text_of(GAMES[1:2])).text()) | {"puzzles": [puzzle]}
    review_path(tmp_path, lines_of(games)[1]).write_text(json.dumps(fields))
    shelf = shelf_in(tmp_path)
    forgotten = set()
    shelf.puzzles.forget = forgotten.update
    shelf._worker.call(GamesFolder.refresh).result()
    key = shelf._worker.call(lambda games: row_of(games, "Cleo")["key"]).result()
    shelf.ask(games_requests.delete, keys=[key])
    wait_for_worker(shelf)
    assert forgotten == {f"{puzzle['fen']} g6g7"}
    shelf.close()


# ---- imports -------------------------------------------------------------------------------------


@pytest.fixture
def visit(tmp_path):
    importing = Importing(tmp_path)
    yield importing
    importing.shelf.close()


class Importing:
    """A shelf that takes files in, and what the page heard of the latest."""

    def __init__(self, folder):
        self.folder = folder
        self.messages = []
        self.shelf = shelf_in(folder, self.messages.append)

    def heard(self, kind):
        return [message for message in self.messages if message["do"] == kind]

    def take(self, name, text):
        """Import a file; return what is said of it."""
        wait_for_worker(self.shelf)
        self.messages.clear()
        upload = self.shelf.upload_path(name)
        upload.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.shelf.take_in(upload)
        wait_until(lambda: self.heard("games_read") and not [*self.folder.glob(".import*")])
        wait_for_worker(self.shelf)
        return self.heard("games_read")[0]["problems"]

    @property
    def asked(self):
        """The names that may be one's own in the question that is shown."""
        return [name for question in self.heard("games_names")[-1:] for name in question["likely"]]


def test_an_import_says_what_it_did_not_take(visit):
    """It said "4 games" where one was cut and a Crazyhouse game was left out."""
    odd = (
        '\n[White "A"]\n\n1. e4 e5 2. Ke3 d5 *\n\n[White "B"]\n[Variant "Crazyhouse"]\n\n1. e4 *\n'
    )
    problems = visit.take("Me.annotated.PGN", text_of() + odd)  # a name that is not listed
    assert [problem[:36] for problem in problems] == [
        "Me.pgn: 4 games.",
        "Me.pgn: 2 faults, first 24:13: 'Ke3'",
    ]


def test_a_second_import_adds_to_the_question_for_ones_name(visit):
    """Its names took the place of the first one's, before that was answered."""
    visit.take("me.pgn", text_of())
    visit.take("two.pgn", text_of([FAY]))
    assert {*visit.asked[:2]} == {"Fay", "Gil"}
    assert visit.asked[2] == "Anna"


def test_an_answered_question_is_not_asked_again(visit):
    visit.take("me.pgn", text_of())
    visit.shelf.ask(games_requests.name, name="Anna", mine=True)
    visit.take("two.pgn", text_of([FAY]))
    assert {*visit.asked} == {"Fay", "Gil"}


def test_an_import_with_a_game_of_ones_own_asks_nothing(visit):
    visit.shelf.ask(games_requests.name, name="Fay", mine=True)
    assert visit.take("three.pgn", text_of([FAY])) == ["three.pgn: 1 game."]
    assert not visit.asked


def test_a_packed_study_is_taken_in(visit):
    chapter = (
        b'[Event "Endings: Rooks"]\n[White ""]\n[Black "-"]\n'
        b'[Date "2025.03.04"]\n[UTCDate "????.??.??"]\n\n1. h4 *\n'
    )
    assert visit.take("study.zip", zipped(chapter)) == ["study.pgn: 1 game."]
    row = visit.shelf._worker.call(lambda games: row_of(games, "Endings: Rooks")).result()
    assert (row["date"], row["black"]) == ("2025.03.04", ""), "what tags do not tell"
    assert not visit.asked


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("suite.pgn", "4k3/8/8/8/8/8/8/4K3 w - - bm Kd2;\n",
         "suite.pgn: expected games in PGN or puzzles in Lichess's format, found positions"),
        ("ccrl.7z", b"7z\xbc\xaf" + bytes(99), "ccrl.7z: a 7z archive; unpack it first"),
        ("torn.gz", gzip.compress(b"1. e4 *", mtime=0)[:-8] + bytes(8), "torn.gz: its packed data are damaged"),
    ],
    ids=["positions", "an archive", "a torn file"],
)  # fmt: skip
def test_an_import_that_is_none_says_why(visit, name, text, reason):
    assert visit.take(name, text)[0].startswith(reason)
    assert not list(visit.folder.glob("*.pgn"))


def test_an_import_of_what_is_known_goes(visit):
    visit.take("me.pgn", text_of())
    problems = visit.take("again.pgn", text_of(GAMES[:1]))
    assert problems == ["again.pgn has no game that Aino can play and does not have yet."]
    assert [path.name for path in visit.folder.glob("*.pgn")] == ["me.pgn"]


def test_an_import_with_other_words_stays(visit):
    visit.take("me.pgn", text_of())
    noted = text_of(GAMES[:1]).replace("e4 e5", "e4 { Mine! } e5")
    assert visit.take("noted.pgn", noted) == ["noted.pgn: 1 game."]
    assert sorted(path.name for path in pgn_files(visit.folder)) == ["me.pgn", "noted.pgn"]
