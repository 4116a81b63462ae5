"""`aino annotate` on files: which games are reviewed, what is written where, and what stays after
an interrupt.
"""

import functools
import io
import signal

import chess.pgn
import pytest
from rich.console import Console

import uci.annotate.annotate as annotate_command
from tests.uci.annotate.scripted_reviews import FOOLS_MATE, RETI, ScriptedEngine, read, review
from uci.annotate.review import review_game
from uci.main import main

FAST = "--evaluator material --threads 1 --hash-mib 16".split()


@pytest.fixture
def games(tmp_path):
    path = tmp_path / "games.pgn"
    path.write_text(f"{FOOLS_MATE}\n{RETI}\n", encoding="utf-8")
    return path


def annotate(path, *words):
    return main(["annotate", str(path), *words, *FAST])


def annotated(path, name="games.annotated.pgn"):
    """The games of a PGN that was written beside a path, as python-chess reads them."""
    with path.with_name(name).open(encoding="utf-8") as file:
        return list(iter(lambda: chess.pgn.read_game(file), None))


def page_beside(path):
    return path.with_name("games.annotated.html").read_text(encoding="utf-8")


@pytest.fixture
def reviewed(tmp_path):
    """Reviews a file of games with one node a position; returns the games that were written."""

    def call(text, status=0):
        path = tmp_path / "games.pgn"
        path.write_text(text, encoding="utf-8")
        assert annotate(path, "--nodes", "1") == status
        return annotated(path)

    return call


def test_letters_of_another_language_are_told(reviewed, capsys):
    first, second = reviewed("Two games:\n\n1. d4 d5 2. Sf3 Sf6 *\n\n1. d4 d5 2. c4 *\n", status=1)
    assert first.end().ply() == 4
    assert second.end().ply() == 3
    errors = capsys.readouterr().err
    assert "games.pgn:1:1: 'Two'" in errors
    assert "game 1: read as German" in errors


def test_an_illegal_move_ends_its_game_with_a_word(reviewed, capsys):
    first, second = reviewed('1. e4 e5 2. Ke3 d5 *\n\n[White "Next"]\n\n1. d4 *\n', status=1)
    assert "games.pgn:1:13: 'Ke3': illegal move" in capsys.readouterr().err
    assert first.end().ply() == 2
    assert second.headers["White"] == "Next"


def test_known_blunder_of_a_famous_game_is_found(games, capsys):
    assert annotate(games, "--nodes", "2000") == 0
    fools, reti = annotated(games)
    assert [node.san() for node in fools.mainline() if 4 in node.nags] == ["g4"]
    assert [node.san() for node in reti.mainline() if 4 in node.nags] == ["Nxe4"]
    assert "game 2, 1-0. Richard Réti: accuracy" in capsys.readouterr().out
    assert "8... Nxe4??" in page_beside(games)
    assert "Turning points" in page_beside(games)


@pytest.mark.parametrize("ending", [".pgn", ".html"])
def test_a_review_replaces_nothing(games, ending):
    """A collection with one game that Aino had reviewed was taken for an earlier review."""
    mine = games.with_name(f"mine{ending}")
    mine.write_text("1. e4 {mine} *\n\n1. d4 {[%aino 1] Made by Aino } *")
    before = mine.read_bytes()
    assert annotate(games, "--nodes=1", "--out", str(mine.with_suffix(""))) == 0
    assert mine.read_bytes() == before
    assert len(annotated(games, "mine-2.pgn")) == 2


def test_one_side_is_judged(games, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert annotate(games, "--nodes=500", "--side=Tartákower, SAVI", "--open") == 0
    output = capsys.readouterr()
    assert "no 'Tartákower, SAVI' in <b>Fool & Co</b> - ?: both sides are judged" in output.err
    _, reti = annotated(games)
    assert {node.turn() for node in reti.mainline() if node.nags} == {chess.WHITE}, "behind Black's"
    assert opened == [games.with_name("games.annotated.html").resolve().as_uri()]
    summary = output.out.partition("game 2")[2]
    assert "Tartakower: accuracy" in summary
    assert "Réti" not in summary, "the accuracy of a side that was not judged"
    assert page_beside(games).count(" data-flipped aria") == 1


@pytest.fixture
def interrupted_in_the_second(monkeypatch):
    """Ctrl-C comes in the review of the second game."""

    def reviewed(engine, game, *rest):
        if game.headers["Black"] != "?":
            raise KeyboardInterrupt
        return review(game, ScriptedEngine({}))

    monkeypatch.setattr(annotate_command, "review_game", reviewed)


@pytest.mark.usefixtures("interrupted_in_the_second")
def test_interrupt_keeps_the_finished_games(games, capsys):
    assert annotate(games) == 130
    assert len(annotated(games)) == 1
    assert "Fool &amp; Co" in page_beside(games)
    assert "1 game in" in capsys.readouterr().out


@pytest.mark.usefixtures("listens_to_interrupts", "interrupted_in_the_second")
def test_a_second_ctrl_c_keeps_the_page_of_the_finished_games(games, monkeypatch):
    pages = iter(["the first page", "the page at the end"])

    def interrupted_page(*words):
        if (page := next(pages)) != "the first page":
            signal.raise_signal(signal.SIGINT)
        return page

    monkeypatch.setattr(annotate_command, "render_game_page", interrupted_page)
    assert annotate(games) == 130
    assert page_beside(games) == "the page at the end"


def test_interrupt_keeps_what_is_done_of_the_game_under_way(games, monkeypatch, capsys):
    searches = 0

    def interrupted_search(engine, limits):
        nonlocal searches
        searches += 1
        if searches == 4:  # of the position behind 2. g4
            raise KeyboardInterrupt
        return engine.search(limits)

    monkeypatch.setattr(
        annotate_command, "review_game", functools.partial(review_game, search=interrupted_search)
    )
    assert annotate(games, "--nodes", "50") == 130
    (game,) = annotated(games)
    assert "stopped at ply 2 of 4, before a move was judged" in game.comment
    assert ["[%eval" in node.comment for node in game.mainline()] == [True, True, False, False]
    assert "Fool &amp; Co" in page_beside(games)
    assert "interrupted" in capsys.readouterr().err


def test_a_game_that_cannot_be_played_is_skipped(reviewed, capsys):
    impossible = '[White "X"]\n[SetUp "1"]\n[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*\n'
    unreadable = '[White "Y"]\n[SetUp "1"]\n[FEN "no position"]\n\n1. e4 *\n'
    variant = '[White "Z"]\n[Variant "Antichess"]\n\n1. e4 *\n'
    first, second = reviewed(
        "\n".join([impossible, FOOLS_MATE, unreadable, variant, "1. d4 *\n"]), status=1
    )
    assert [node.san() for node in (first.end(), second.end())] == ["Qh4#", "d4"]
    errors = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in errors] == ["game 1", "game 3", "game 4"]
    assert all("skipping the game" in line for line in errors)
    assert "Antichess" in errors[2]


@pytest.mark.parametrize(
    ("movetext", "corrected"), [("1. e4 e5", "*"), ("1. f3 e5 2. g4 Qh4#", "0-1")]
)
def test_broken_result_tag_is_not_written_through(reviewed, movetext, corrected):
    first, second = reviewed(
        f'[White "A"]\n[Result "White wins (on time"]\n\n{movetext}\n\n{FOOLS_MATE}'
    )
    assert first.headers["Result"] == corrected
    assert second.headers["Result"] == "0-1"
    assert first.errors == second.errors == []


def test_a_single_game_is_annotated(tmp_path):
    console = Console(file=io.StringIO())
    engine = ScriptedEngine({})
    annotate_command.annotate_game(console, engine, read(FOOLS_MATE), tmp_path / "mine.pgn")
    (game,) = annotated(tmp_path / "mine.pgn", "mine.annotated.pgn")
    assert "Reviewed by Aino" in game.comment
    assert "10,000 nodes a position; each mark is confirmed with 80,000 nodes" in game.comment


def test_names_in_a_file_do_not_steer_the_terminal(reviewed, capsys):
    reviewed('[White "\x1b]0;owned\x07\x1b[2J\x9b31mA"]\n\n1. e4 \x1b[31m *\n', status=1)
    output = capsys.readouterr()
    assert "owned" in output.out
    assert not set("\x1b\x07\x9b") & set(output.out + output.err)
