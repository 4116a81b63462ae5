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


def lost(shares, tags="", better=None):
    """The first move of a reviewed game in which 1. a3 loses to 1...a6, and 1. Ke2 and 1. Kd2 are better, for
    these shares of players and values of moves.
    """
    game = read(tags + QUIET)
    better = better or {"e1e2": 0.4}
    engine = ScriptedEngine(script_for(game, [better, {"a7a6": 0.8, "e8e7": 0.8}, {"e1e2": -0.8}]))
    engine.script |= {epd(game, move): {"a7a6": -value} for move, value in better.items()}
    engine.shares = shares
    return review(game, engine).moves[0]


@pytest.mark.parametrize(
    ("shares", "sentence"),
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
def test_a_mark_tells_how_many_players_find_the_better_move(shares, sentence):
    assert move_comment(lost(shares)).endswith(sentence)


@pytest.mark.parametrize(("tag", "nearest"), [("369", 1100), ("2687", 1900)])
def test_a_rating_that_is_not_known_is_told(tag, nearest):
    """ "Around 800" was said, and 1100's answer given."""
    comment = move_comment(lost({}, f'[WhiteElo "{tag}"]\n'))
    own = round(int(tag), -2)
    assert f"players around {nearest} (the nearest to {own} that is known)" in comment


def test_the_answer_is_not_given_away():
    comment = move_comment(lost({"e1e2": 0.07, "a2a3": 0.62}), with_answer=False)
    assert "7 of 100 players around 1500 find a better move" in comment


def comment_where(value):
    """The comment where people find 1. Kd2, of this value, rather than the best move."""
    return move_comment(lost({"e1e2": 0.05, "e1d2": 0.3}, better={"e1e2": 0.4, "e1d2": value}))


def test_of_moves_as_good_the_one_that_people_find_is_named():
    assert "Better was Kd2" in comment_where(0.395)


def test_a_worse_move_is_not_named_however_many_find_it():
    assert "Better was Ke2" in comment_where(0.34)


def test_all_good_moves_count_as_found():
    sentence = "35 of 100 players around 1500 find Kd2 or another good move"
    assert sentence in comment_where(0.395)


def test_a_review_of_an_older_version_tells_nothing_of_players():
    assert "100 players" not in move_comment(replace(lost({}), people=None))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("de", "7 von 100 Spielern um 1500 finden Ke2, 62 spielen a3: leicht zu übersehen."),
        ("fr", "7 joueurs sur 100 autour de 1500 trouvent Ke2, 62 jouent a3 : facile à manquer."),
        ("es", "7 de cada 100 jugadores de unos 1500 encuentran Ke2, 62 juegan a3: fácil de pasar por alto."),
    ],
)  # fmt: skip
def test_the_sentence_speaks_other_languages(code, sentence):
    move = lost({"e1e2": 0.07, "a2a3": 0.62})
    speak(code)
    assert move_comment(move).endswith(sentence)


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
