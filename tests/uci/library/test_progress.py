"""What the reviews of one's own games tell together, and what kind each mistake is of."""

from functools import partial
from unittest.mock import Mock

import chess
import pytest

from engine.board.notation import board_after as after
from tests.boards import board_after
from tests.uci.library.own_games import write
from uci.annotate.mistake_kinds import Mistake, mistake_of
from uci.annotate.move_marks import BLUNDER
from uci.annotate.move_review import MoveReview
from uci.annotate.reasons import reason_of
from uci.common.evaluation import Evaluation
from uci.language import speak
from uci.library.game_records import ReviewFacts
from uci.library.games_folder import GamesFolder
from uci.library.progress import COUNTED_MOVES, counted_games, points, positions, rows

EVEN = Evaluation(0, None, (300, 400, 300))
MATED = Evaluation(0, -3, (0, 0, 1000))
MATES = Evaluation(0, 3, (1000, 0, 0))


def moves_of(uci):
    return tuple(map(chess.Move.from_uci, uci.split()))


def mistake(start, played, best, reply="", before=EVEN, later=EVEN):
    board = chess.Board(start)
    (move,) = moves_of(played)
    return MoveReview(9, board, move, before, later, moves_of(best), BLUNDER, moves_of(reply))


FORK = "4k3/8/8/8/3n4/8/8/R3K3 b - - 0 1"
QUIET = "4k3/p7/8/8/8/8/P7/4K3 w - - 0 1"


LOST = Evaluation(500, None, (900, 50, 50))  # for Black
LOST_BY_WHITE = Evaluation(-500, None, (50, 50, 900))


FORKED = FORK.replace(" b ", " w ")
quiet_mistake = partial(mistake, QUIET, "a2a3", "a2a4")
KINDS = [
    (quiet_mistake(later=MATED), "mate", False),
    (quiet_mistake(before=MATES), "mate", True),
    (quiet_mistake(), "position", False),
    (mistake(FORK, "e8f8", "d4c2 e1d2 c2a1", before=LOST_BY_WHITE), "fork", True),
    (
        mistake(FORKED, "e1f1", "e1d1 e8f8", "d4c2 f1g1 c2a1", later=LOST_BY_WHITE),
        "material",
        False,
    ),
]


@pytest.mark.parametrize(("move", "kind", "missed"), KINDS)
def test_a_mistake_is_of_a_kind(move, kind, missed):
    assert mistake_of(move) == Mistake(9, kind, missed)


def test_a_mistake_is_of_the_kind_that_its_review_names():
    """The review spoke of a sacrifice, and Progress of a hanging piece."""
    start = "r1bb1r1k/p2n1ppp/2p4N/7Q/2p5/2B2N2/qPP2PPP/2KR3R b - - 1 18"
    best = "d8c7 h6f7 h8g8 f7h6 g8h8 h6f7"
    reply = "h5f7 a2a1 c1d2 f8f7 h6f7 h8g8 d1a1 g8f7"
    move = mistake(start, "d7f6", best, reply, later=LOST)
    assert "sacrifice" in reason_of(move).text
    assert mistake_of(move).kind == "sacrifice"


LONG = (
    "e4 e5 Nf3 Nc6 Bc4 Bc5 c3 Nf6 d3 d6 "
    + "Nbd2 a6 Nf1 Ba7 Ng3 O-O O-O h6 h3 Be6 Bb3 Qd7 Re1 Rfe8 Be3 Bxe3 Rxe3 d5 exd5 Bxd5"
)
assert after(board_after(LONG)).ply() == 2 * COUNTED_MOVES


@pytest.fixture
def reviewed(tmp_path):
    """A long game with Black's pieces that has a mistake, and a short one with two."""
    write(
        tmp_path / "mine.pgn",
        ("Ben", "Anna", "2024.01.02", "1-0", LONG),
        ("Anna", "Ben", "2024.01.03", "1-0", "e4 c5"),
    )
    games = GamesFolder(tmp_path)
    games.add_name("Anna")
    games.refresh()
    for game in [*games.catalogue._games.values()]:
        lapses = {"white": [], "black": [Mistake(12, "fork", True)]}
        if game.mine == "white":
            lapses = {"white": [Mistake(1, "pin", False)] * 2, "black": []}
        accuracy = {"white": 90.0, "black": 70.0}
        facts = ReviewFacts(accuracy, {"white": [1, 0, 0], "black": [0, 1, 0]}, lapses)
        games.catalogue.note_review(game.line, facts)
    return counted_games(games.catalogue.reviewed())


def test_games_of_15_moves_count(reviewed):
    """A game that was lost in six moves was a point of the curve."""
    assert [point["accuracy"] for point in points(reviewed)] == [70.0]


def test_mistakes_are_counted_by_what_they_have_in_common(reviewed):
    counts = {(row["by"], row["name"]): (row["games"], row["mistakes"]) for row in rows(reviewed)}
    names = [("opening", "Italian Game"), ("side", "black"), ("motif", "fork")]
    assert counts == dict.fromkeys(names, (1, 1))


def test_a_row_tells_how_its_games_went(reviewed):
    (side,) = (row for row in rows(reviewed) if row["by"] == "side")
    assert side["points"] == 0.0
    assert side["accuracy"] == 70.0


@pytest.mark.parametrize(
    ("by", "name"), [("opening", "Italian Game"), ("side", "black"), ("motif", "fork")]
)
def test_each_number_leads_to_its_positions(reviewed, by, name):
    (place,) = positions(reviewed, by, name)
    assert place["ply"] == 12
    assert place["white"] == "Ben"


def test_no_position_is_told_of_what_was_not_counted(reviewed):
    assert not positions(reviewed, "motif", "pin")


def test_a_reason_is_looked_for_once(monkeypatch):
    """A page looked for the reason of each mark four times, and took seconds."""
    find = Mock()
    move = quiet_mistake()
    monkeypatch.setattr("uci.annotate.reasons.find_reason", find)
    assert [reason_of(move) for _ in range(4)] == [find.return_value] * 4
    find.assert_called_once()


def test_a_reason_is_told_in_the_language_that_is_spoken_now():
    move = quiet_mistake(later=MATED)
    english = reason_of(move).text
    speak("de")
    assert english == "allows mate in 3"
    assert reason_of(move).text == "lässt Matt in 3 zu"
