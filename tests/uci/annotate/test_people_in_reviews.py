"""How hard a move was: whose rating counts, which players are told of, and in which words."""

from dataclasses import replace

import chess
import pytest

from tests.uci.annotate.scripted_reviews import QUIET, ScriptedEngine, epd, read, review, script_for
from uci.annotate.comments import move_comment
from uci.annotate.people import RATINGS, people_network, rating_of
from uci.language import speak


@pytest.mark.parametrize(
    ("tag", "rating"),
    [
        ("1438", 1400),
        ("1850?", 1800),
        ("1500P", 1500),
        ("1210P12", 1200),
        (" 1612 ", 1600),
        ("2687", 2700),
        ("369", 400),
        ("", 1500),
        ("-", 1500),
        ("0", 1500),
        ("9" * 5000, 1500),
    ],
)
def test_the_rating_is_that_of_the_tag_where_it_is_one(tag, rating):
    assert rating_of({"WhiteElo": tag, "BlackElo": "1900"}, chess.WHITE) == rating


@pytest.mark.parametrize(
    ("level", "tag", "rating"),
    [("elo 1200", "?", 1200), ("people 1200", "?", 1200), ("elo 1200", "1800", 1800)],
)
def test_who_chose_a_level_of_aino_is_about_as_strong_without_a_tag(level, tag, rating):
    headers = {"White": "You", "Black": f"Aino ({level})", "WhiteElo": tag}
    assert rating_of(headers, chess.WHITE) == rating


def lost(shares, tags="", others=None):
    """The first move of a reviewed game in which 1. a3 loses to 1...a6, and 1. Ke2 and 1. Kd2 are better, for
    these shares of players and values of moves.
    """
    game = read(tags + QUIET)
    others = others or {"e1e2": 0.4}
    engine = ScriptedEngine(script_for(game, [others, {"a7a6": 0.8, "e8e7": 0.8}, {"e1e2": -0.8}]))
    engine.script |= {epd(game, move): {"a7a6": -value} for move, value in others.items()}
    engine.shares = shares
    return review(game, engine).moves[0]


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"e1e2": 0.07, "a2a3": 0.62},
         "7 of 100 players around 1500 find Ke2, 62 play a3: easy to miss."),
        ({"e1e2": 0.01, "a2a3": 0.01},
         "1 of 100 players around 1500 finds Ke2, 1 plays a3: easy to miss."),
        ({"e1e2": 0.4, "a2a3": 0.3}, "40 of 100 players around 1500 find Ke2, 30 play a3."),
        ({"e1e2": 0.75, "a2a3": 0.0},
         "75 of 100 players around 1500 find Ke2, nobody plays a3: most would have seen it."),
    ],
)  # fmt: skip
def test_a_mark_tells_how_many_players_find_the_better_move(shares, told):
    found = lost(shares)
    assert move_comment(found).endswith(told)


def test_the_players_asked_have_the_rating_of_the_mover():
    found = lost({}, '[WhiteElo "1380"]\n[BlackElo "1910"]\n')
    assert found.people.rating == 1400


@pytest.mark.parametrize(("tag", "nearest"), [("369", 1100), ("2687", 1900)])
def test_a_rating_that_is_not_known_is_told(tag, nearest):
    """ "Around 800" was said, and 1100's answer given."""
    found = lost({}, f'[WhiteElo "{tag}"]\n')
    own = round(int(tag), -2)
    assert f"players around {nearest} (the nearest to {own} that is known)" in move_comment(found)


def test_the_answer_is_not_given_away():
    found = lost({"e1e2": 0.07, "a2a3": 0.62})
    assert "7 of 100 players around 1500 find a better move" in move_comment(
        found, with_answer=False
    )


@pytest.fixture
def other_found():
    """Where people find another move than the best one, and it is as good."""
    return lost({"e1e2": 0.05, "e1d2": 0.3}, others={"e1e2": 0.4, "e1d2": 0.395})


def test_of_moves_as_good_the_one_that_people_find_is_named(other_found):
    assert "Better was Kd2" in move_comment(other_found)


def test_the_best_move_is_good_too_where_another_one_is_named(other_found):
    assert chess.Move.from_uci("e1e2") in other_found.also_good


def test_a_worse_move_is_not_named_however_many_find_it():
    found = lost({"e1e2": 0.05, "e1d2": 0.3}, others={"e1e2": 0.4, "e1d2": 0.34})
    assert "Better was Ke2" in move_comment(found)


def test_all_good_moves_count_as_found(other_found):
    told = "35 of 100 players around 1500 find Kd2 or another good move"
    assert told in move_comment(other_found)


def test_a_review_of_an_older_version_tells_nothing_of_players():
    found = lost({})
    assert "100 players" not in move_comment(replace(found, people=None))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("de", "7 von 100 Spielern um 1500 finden Ke2, 62 spielen a3: leicht zu übersehen."),
        ("fr", "7 joueurs sur 100 autour de 1500 trouvent Ke2, 62 jouent a3 : facile à manquer."),
        ("es", "7 de cada 100 jugadores de unos 1500 encuentran Ke2, 62 juegan a3: fácil de pasar por alto."),
    ],
)  # fmt: skip
def test_the_sentence_speaks_other_languages(code, told):
    found = lost({"e1e2": 0.07, "a2a3": 0.62})
    speak(code)
    assert move_comment(found).endswith(told)


def test_the_network_of_people_tells_of_every_legal_move_after_a_pass():
    """Authors of studies pass; the network sees the moves before."""
    board = chess.Board()
    for move in ("e2e4", "0000", "d2d4"):
        board.push(chess.Move.from_uci(move))
    chances = people_network()(board, 1500)
    assert set(chances) == set(board.legal_moves)
    assert sum(chances.values()) == pytest.approx(1.0)


def test_who_is_told_of_is_who_the_network_knows():
    """Around 800 was what it said of 1100."""
    tell = people_network()
    board = chess.Board()
    lowest, highest = RATINGS
    for rating, inside in ((lowest, lowest + 100), (highest, highest - 100)):
        assert tell(board, rating) != tell(board, inside)
