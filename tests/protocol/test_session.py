"""Whole conversations with a fake engine: one bestmove a go, at the right moment, whatever comes
in.
"""

import io
import time
from dataclasses import replace
from pathlib import Path

import chess
import pytest

from engine.board.fen import parse_fen
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import SearchResult
from tests.boards import board_after, moves_in
from tests.protocol.fake_engine import Conversation, FakeEngine
from uci.protocol import answer
from uci.protocol.answer import Answer
from uci.protocol.words import Writer


def nothing_follows(talk, word, count):
    time.sleep(0.05)  # long enough for a wrong answer to arrive
    return len(talk.answers(word)) == count


def read_cases(name):
    """(command, what the answer mentions, ...) from the lines `command | mention | ...` of a file
    beside this one.
    """
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [
        tuple(part.strip() for part in line.split("|"))
        for line in text.replace("START", chess.STARTING_BOARD_FEN).splitlines()
        if line and not line.startswith("#")
    ]


@pytest.mark.parametrize(("command", "mention"), read_cases("bad_positions.txt"))
def test_a_bad_position_leaves_the_old_one_and_no_move_of_it_is_played(talk, command, mention):
    talk.say("position startpos moves d2d4 d7d5", "d", command, "d", "go nodes 10")
    assert talk.wait_for("bestmove") == ["bestmove (none)"]
    refusal, nothing = talk.infos()
    assert mention in refusal
    assert mention in nothing
    assert "refused" in nothing
    before, after = talk.answers("Fen:")
    assert after == before


@pytest.mark.parametrize(("command", "mention", "fen"), read_cases("odd_positions.txt"))
def test_an_odd_position_is_taken_with_a_word(talk, command, mention, fen):
    talk.say("position startpos", command, "d")
    words = talk.infos()
    assert all(text.startswith("position: ") for text in words)
    assert mention in " ".join(words)
    assert bool(words) == bool(mention)
    assert talk.lines[-1] == f"Fen: {fen}"
    talk.say("go nodes 10")
    move = talk.wait_for("bestmove")[0].split()[1]
    board = parse_fen(fen)
    assert board.uci(board.parse_uci(move)) == move


def test_the_limits_of_a_search_reach_the_engine(talk):
    talk.say(
        "go wtime 1000 btime 900 winc 10 searchmoves e2e4 e2e5 d2d4 e2e4 e2e5" + " e2e4" * 300_000
    )
    talk.wait_for("bestmove")
    assert ["e2e5" in text for text in talk.infos()] == [True]
    limits = talk.engine.limits[0]
    assert [move.uci() for move in limits.searchmoves] == ["e2e4", "d2d4"]
    assert limits.white_time_ms == 1000
    assert limits.black_time_ms == 900
    assert limits.white_increment_ms == 10


def test_a_finished_game_has_a_score(talk):
    mated = "fen rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"
    talk.say(f"position {mated}", "go nodes 5")
    assert talk.wait_for("bestmove") == ["bestmove (none)"]
    assert "info depth 0 score mate 0" in talk.lines
    talk.say("position fen 7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "go nodes 5")
    talk.wait_for("bestmove", 2)
    assert "info depth 0 score cp 0" in talk.lines


def test_a_book_move_tells_that_no_node_was_searched():
    """A referee who counts nodes for time took the answer for a loss on time."""

    class Reader(FakeEngine):
        def search(self, limits, on_info=None, job=None):
            return SearchResult(chess.Move.from_uci("e2e4"), None, [], [], nodes=0, time_ms=0)

    talk = Conversation(Reader)
    talk.say("go wtime 1000 btime 1000")
    talk.wait_for("bestmove")
    assert talk.lines == [
        "info nodes 0 time 0",
        "info string move from the opening book",
        "bestmove e2e4",
    ]


def test_go_during_a_search_ends_the_first_with_its_own_bestmove(talk):
    talk.say("go infinite", "position startpos moves e2e4", "go nodes 1")
    first, second = talk.wait_for("bestmove", 2)
    assert chess.Board().parse_uci(first.split()[1])
    assert board_after("e2e4").parse_uci(second.split()[1])
    assert nothing_follows(talk, "bestmove", 2)


def test_a_text_is_emptied_as_cute_chess_does_without_a_value(talk):
    talk.say("setoption name BookFile value x", "setoption name BookFile")
    assert talk.session.options.book_file == ""


def test_ucinewgame_during_a_search_ends_it(talk):
    talk.say("go infinite", "ucinewgame")
    assert len(talk.answers("bestmove")) == 1
    assert talk.engine.calls == ["new_game"]


def test_clear_hash_during_a_search_waits_for_the_next(talk):
    """It ended the search."""
    talk.say("go infinite", "setoption name Clear Hash")
    assert nothing_follows(talk, "bestmove", 0)
    talk.say("stop")
    talk.wait_for("bestmove")
    assert not talk.engine.calls
    talk.say("isready")
    assert talk.engine.calls == ["new_game"]
    talk.say("setoption name Clear Hash", "go nodes 1", "isready")
    assert talk.engine.calls == ["new_game"] * 2


def test_the_current_move_is_named_when_it_changes():
    output = io.StringIO()
    search = Answer(None, chess.Board(), Limits(), False, EngineOptions(), Writer(output))
    for second, move in enumerate(moves_in("e2e4 e2e4 e2e4 d2d4 d2d4 e2e4")):
        info = FakeEngine(EngineOptions())._info(move, 1)
        search._say([replace(info, time_ms=1000 * second, current_move=move, current_number=1)])
    lines = output.getvalue().splitlines()
    named = [line.split()[4] for line in lines if " currmove " in line]
    assert named == ["e2e4", "d2d4", "e2e4"]


def test_a_search_shows_its_current_move_and_statistics_before_the_best_move(monkeypatch):
    monkeypatch.setattr(answer, "_CURRENT_MOVE_FROM_MS", 0)
    options = EngineOptions(evaluator="material", hash_mib=8, threads=1, verbose_move_stats=True)
    talk = Conversation(Engine, options)
    talk.say("go nodes 200")
    talk.wait_for("bestmove")
    scored, *statistics, _best = talk.lines[-23:]
    assert " score " in scored
    assert all(" N: " in line for line in statistics)
    current = [line.split()[4] for line in talk.lines if " currmove " in line]
    assert chess.Board().parse_uci(current[0])


def test_perft_counts_until_it_is_stopped(talk):
    talk.say("go perft 2")
    talk.wait_for("Nodes")
    assert talk.lines[-1] == "Nodes searched: 400"
    talk.say("go perft 12", "isready", "stop")
    assert talk.wait_for("info") == ["info string perft stopped"]


@pytest.mark.parametrize("value", ["people 1400", "people:1400", "People = 1400", "people1400"])
def test_a_rating_behind_people_is_taken(talk, value):
    """`aino play --level` takes it, and a GUI was told that it is none of two words."""
    talk.say(f"setoption name PlayLike value {value}")
    assert talk.session.options.play_like == "people"
    assert talk.session.options.elo == 1400
    assert not talk.infos()


@pytest.mark.parametrize(
    "junk",
    [
        "setoption name Hash value lots",
        "setoption name Hash",
        "setoption name PlayLike value people 99999",
    ],
)
def test_junk_changes_nothing(talk, junk):
    options = talk.session.options
    talk.say(junk)
    assert len(talk.infos()) == 1
    assert talk.session.options == options


@pytest.mark.parametrize(
    "between",
    ["e2e4 e7e5", "e2e4 e2e5", "e2e4 c7c5"],  # the old one, a refused one, another one
)
def test_a_position_with_more_moves_continues(talk, between):
    game = "position startpos moves "
    talk.say(f"{game}e2e4", f"{game}{between}", f"{game}e2e4 e7e5 g1f3", "go nodes 5")
    assert talk.wait_for("bestmove") != ["bestmove (none)"]
    assert [move.uci() for move in talk.engine.board.move_stack] == ["e2e4", "e7e5", "g1f3"]


def test_chess960_switched_off_after_a_game_that_castled_keeps_the_game(talk):
    talk.say("setoption name UCI_Chess960 value true")
    talk.say(
        "position fen 2rkr3/pppppppp/8/8/8/8/PPPPPPPP/2RKR3 b CEce - 0 1 moves d8c8 d1e1 h7h6", "d"
    )
    shown = talk.lines[-1]
    talk.say("setoption name UCI_Chess960 value false", "d", "go nodes 1")
    talk.wait_for("bestmove")
    assert talk.lines.count(shown) == 2
    assert [move.uci() for move in talk.engine.board.move_stack] == ["d8c8", "d1e1", "h7h6"]
    assert talk.engine.board.chess960, "the moves so far can be read under no other rules"
    assert any("takes this for Chess960" in text for text in talk.infos())
    talk.say("position startpos", "go nodes 1")
    talk.wait_for("bestmove", 2)
    assert not talk.engine.board.chess960


REFUSED = "position startpos moves e2e4 e7e5 a7a8Q"


def test_what_follows_a_refused_position_plays_again(talk):
    talk.say(REFUSED, "go perft 1", "position startpos moves e2e4 e7e5", "go nodes 5")
    assert talk.wait_for("bestmove") != ["bestmove (none)"]
    assert not talk.answers("Nodes")
    assert len(talk.engine.board.move_stack) == 2


def test_refused_position_keeps_an_infinite_search_waiting_for_its_end(talk):
    talk.say(REFUSED, "go infinite")
    assert nothing_follows(talk, "bestmove", 0)
    talk.say("stop")
    assert talk.wait_for("bestmove") == ["bestmove (none)"]


def test_endless_game_is_refused(talk):
    talk.say("position startpos moves " + "g1f3 g8f6 f3g1 f6g8 " * 5001)
    assert "at most 20000" in talk.infos()[0]


def test_the_log_file_holds_both_sides(talk, tmp_path):
    log = tmp_path / "uci.log"
    on, off = (f"setoption name LogFile value {value}" for value in (log, "<empty>"))
    talk.say(on, "isready", off, "isready", on, off)
    text = log.read_text()
    assert ">> isready" in text
    assert text.count("<< readyok") == 1


def test_a_message_stays_on_one_line():
    output = io.StringIO()
    Writer(output).info("one\ntwo\r\nthree")
    assert output.getvalue() == "info string one two three\n"


@pytest.mark.parametrize("name", ["no/folder", "~nobody-of-that-name/log", "games.pgn"])
def test_unwritable_log_file_is_reported(name, talk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "games.pgn").write_text("1. e4 *")  # which had been continued as a log
    talk.say(f"setoption name LogFile value {name}", "isready")
    assert "cannot write the log file" in talk.infos()[0]
    assert talk.lines[-1] == "readyok"
    assert talk.session.options.log_file == ""


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("positon startpos", "unknown command: positon startpos; did you mean 'position'?"),
        ("xyzzy", "unknown command: xyzzy"),
        ("setoption name MultPV value 3", "unknown option: MultPV; did you mean 'MultiPV'?"),
        ("setoption name Zorro value 1", "unknown option: Zorro"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(talk, line, answer):
    talk.say(line)
    assert talk.infos() == [answer]


def test_help_names_every_command(talk):
    talk.say("help")
    words = set(" ".join(talk.lines).replace(",", " ").replace("|", " ").split())
    assert set(talk.session._commands) - {"help", "register"} <= words
