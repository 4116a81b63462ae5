"""Matches between UCI processes: who is at fault, what is stored, and going on after an
interruption.
"""

import io
import json
import os
import re
import sys
import time
import tracemalloc
from dataclasses import asdict, replace

import chess.engine
import chess.pgn
import pytest

from engine.errors import ConfigError, RunError
from selfplay.matches import engine_process, match_game, uci_driver
from selfplay.matches.adjudication import Adjudication, DrawRule, ResignRule
from selfplay.matches.archive import MatchArchive
from selfplay.matches.contestant import Contestant, parse_contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_match import Match, MatchSettings, standing
from selfplay.matches.engine_process import ask_engine, close_engine, open_engine
from selfplay.matches.match_game import FAULTS, Info, MatchGame, Reason, Thought
from selfplay.matches.statistics import Sprt
from tests.boards import moves_in
from tests.new_process import wait_until
from tests.selfplay import scripted_engine
from tests.selfplay.matches.rows import ENGINE, NAMES, PLAYED, scripted

HUNG_S = 1.5  # the referee's patience with an engine that hangs, and with the other one


def answering(before="pass", **answers):
    """The command of an engine that answers by the first word, after the statement `before`."""
    answers = {"uci": "uciok", "isready": "readyok", "go": "bestmove e2e4"} | answers
    script = f"""for line in iter(input, 'quit'):
    {before}
    print({answers}.get(line.split()[0], ''), flush=True)"""
    return sys.executable, "-c", script


def match_of(*behaviour, games=2, openings=1, own=None, **settings):
    """A match in which the second engine behaves as told, and may have a control of its own."""
    fens = [chess.STARTING_FEN, "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2"]
    settings = {"control": TimeControl.parse("60+1"), "longest": 12, "patience_s": 60.0} | settings
    first = scripted("one")
    second = replace(scripted("two", *behaviour), control=own)
    return MatchSettings(
        first=first, second=second, games=games, openings=tuple(fens[:openings]), **settings
    )


def played(settings, folder, stop_after=None):
    archive = MatchArchive(folder, settings.description())
    seen = []
    Match(settings, archive).play(
        seen.append, lambda: stop_after is not None and len(seen) >= stop_after
    )
    return [archive.rows[number] for number in sorted(archive.rows)]


@pytest.fixture
def brief_first_search(monkeypatch):
    """Limits the first search alone: on a busy machine the process may take long to start."""
    search_once = engine_process._search_once

    def limited(engine, search):
        with monkeypatch.context() as patched:
            patched.setattr(engine_process, "START_TIMEOUT_S", 1.0)
            search_once(engine, search)

    monkeypatch.setattr(engine_process, "_search_once", limited)


def test_pairs_share_an_opening_with_colours_swapped(tmp_path):
    rows = played(match_of(games=4, openings=2), tmp_path)
    assert [(row.white, row.black) for row in rows] == [NAMES, NAMES[::-1]] * 2
    assert rows[0].start_fen == rows[1].start_fen != rows[2].start_fen == rows[3].start_fen
    assert standing(rows, NAMES).pentanomial == (0, 0, 2, 0, 0)


def test_a_match_of_a_million_games_begins_in_little_memory(tmp_path):
    tracemalloc.start()
    assert not Match(match_of(games=1_000_000), MatchArchive(tmp_path, {})).is_complete
    assert tracemalloc.get_traced_memory()[1] < 1e7
    tracemalloc.stop()


CLOCK = TimeControl(1.0, 0.01)
VIRTUAL = TimeControl(1.0, 0.1, nodes_per_ms=100)


def match_in_nodes(nodes):
    """Against an engine that tells so many nodes a move."""
    first, second = scripted("one", "nodes", 1_000), scripted("two", "nodes", nodes)
    return replace(match_of(control=VIRTUAL, longest=10), first=first, second=second)


A_MOVE = TimeControl(movetime_s=0.3, nodes_per_ms=100)


@pytest.mark.parametrize(
    ("nodes", "control", "reason", "detail"),
    [
        # 0.45 s a move, of which the increment gives back 0.1 s: the third move has 0.3 s.
        (45_000, VIRTUAL, Reason.TIME, "0.450 s used of 0.300 s"),
        # An engine may look at its clock each 1024 nodes.
        (31_000, A_MOVE, Reason.LENGTH, ""),
        (31_100, A_MOVE, Reason.TIME, "used of"),
        (0, VIRTUAL, Reason.TIME, "told no nodes"),
    ],
)
def test_a_clock_in_nodes_loses_what_they_are_worth(nodes, control, reason, detail, tmp_path):
    row = played(replace(match_in_nodes(nodes), control=control), tmp_path)[0]
    assert row.reason == reason
    assert row.offender == ("two" if detail else "")
    assert detail in row.detail


def test_a_busy_machine_takes_nothing_off_a_clock_in_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr("selfplay.matches.match_game.uptime_s", iter(range(0, 10**6, 9)).__next__)
    row = played(match_in_nodes(1_000), tmp_path)[0]
    assert row.reason == Reason.LENGTH
    assert max(row.slowest_ms) == 10.0


def test_a_clock_in_nodes_needs_an_engine_that_knows_it(tmp_path):
    with pytest.raises(ConfigError, match="one has no time in nodes"):
        played(match_of(control=VIRTUAL), tmp_path)


def test_each_engine_may_have_a_speed_of_its_own():
    slow = parse_contestant("cmd=x nodes-per-ms=30")
    assert slow.control_in(VIRTUAL).nodes_per_ms == 30
    assert slow.control_in(TimeControl(nodes=9)) == TimeControl(nodes=9)
    assert parse_contestant("cmd=x").control_in(VIRTUAL) == VIRTUAL


@pytest.mark.parametrize(
    ("behaviour", "control", "reason"),
    [
        ("crash", None, Reason.CRASH),
        ("quit", None, Reason.DISCONNECT),
        ("illegal", None, Reason.ILLEGAL),
        ("pass", None, Reason.ILLEGAL),  # python-chess takes `bestmove 0000` for a move
        ("slow", CLOCK, Reason.TIME),
        ("slow", TimeControl(movetime_s=0.3, margin_s=0.5), Reason.TIME),
        ("slow", TimeControl(nodes=100, margin_s=0.5), Reason.LENGTH),
        ("nodeless", None, Reason.LENGTH),  # it knows no search that only nodes limit
        ("hang", CLOCK, Reason.STALL),
        ("hang", TimeControl(nodes=100, margin_s=60.0), Reason.STALL),
        ("pause", TimeControl(1.5, 0.01), Reason.LENGTH),  # the referee is stopped
        ("pause", TimeControl(nodes=100), Reason.LENGTH),
    ],
)
def test_an_engine_at_fault_loses(behaviour, control, reason, tmp_path):
    patience_s = HUNG_S if behaviour in ("hang", "pause") else 60.0
    rows = played(
        match_of(behaviour, 2, own=control, patience_s=patience_s, concurrency=2), tmp_path
    )
    assert [row.reason for row in rows] == [reason] * 2
    own = str(control or "60+1")
    assert [row.controls for row in rows] == [("60+1", own), (own, "60+1")]
    if reason == Reason.LENGTH:
        return
    assert [(row.result, row.offender) for row in rows] == [("1-0", "two"), ("0-1", "two")]
    now = standing(rows, NAMES)
    assert now.wins == 2
    assert now.losses == 0
    assert now.faults["two"] == {str(fault): 2 * (fault == reason) for fault in FAULTS}
    assert sum(now.faults["one"].values()) == 0
    assert f"two: {rows[0].detail}" in (tmp_path / "games.pgn").read_text()


@pytest.mark.usefixtures("brief_first_search")
def test_a_first_search_is_on_nobodys_clock_and_may_last(tmp_path):
    """Also where it lasts longer than the wait for it."""
    rows = played(match_of("late", 2, control=TimeControl(movetime_s=0.3, margin_s=60.0)), tmp_path)
    assert {row.reason for row in rows} == {Reason.LENGTH}
    assert max(thought.time_ms for row in rows for thought in row.thoughts) < 2000


def test_engine_that_leaves_between_games_loses_the_next_one(tmp_path):
    rows = played(match_of("leave", 2, games=4), tmp_path)
    assert [row.reason for row in rows] == [Reason.LENGTH, Reason.DISCONNECT] * 2
    assert {row.offender for row in rows if row.reason == Reason.DISCONNECT} == {"two"}


def test_hung_process_is_ended_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    wrapper = f"import os, subprocess, sys; open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); " \
        f"subprocess.run([sys.executable, {scripted_engine.__file__!r}, 'hang', '2'])"  # fmt: skip
    settings = match_of(patience_s=HUNG_S, concurrency=2)
    second = Contestant("two", (sys.executable, "-c", wrapper), control=TimeControl(nodes=9))
    rows = played(replace(settings, second=second), tmp_path / "match")
    assert {row.reason for row in rows} == {Reason.STALL}
    groups = [int(line) for line in pids.read_text().split()]
    assert len(groups) == 2
    wait_until(lambda: not any(map(group_exists, groups)))


def group_exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_stored_games_tell_what_the_engines_thought(tmp_path):
    settings = replace(
        match_of("score", -31), openings=[f"{chess.STARTING_FEN} moves e2e4 e7e5"], longest=5
    )
    rows = played(settings, tmp_path)
    second = [thought for ply, thought in enumerate(rows[0].thoughts) if ply % 2]
    assert [thought[1:] for thought in second] == [(-31, 3, 77)]
    with open(tmp_path / "games.pgn") as stream:
        game = chess.pgn.read_game(stream)
    assert not game.errors
    assert game.headers["Result"] == rows[0].result
    assert " ".join(move.uci() for move in game.mainline_moves()) == rows[0].uci
    comments = [node.comment for node in game.mainline()]
    assert comments[:2] == ["book", "book"]
    assert re.fullmatch(r"\d\.\d{3}s", comments[2])
    assert re.fullmatch(r"-0\.31/3 \d\.\d{3}s, n=77", comments[3])
    assert game.headers["TimeControl"] == "60+1"
    assert game.headers["Termination"] == "length limit"


@pytest.mark.parametrize(
    ("turn", "opponent", "clocks"),
    [
        (chess.WHITE, TimeControl(9.0, 0.3), (5.0, 0.1, 7.0, 0.3)),
        (chess.BLACK, TimeControl(9.0, 0.3), (7.0, 0.3, 5.0, 0.1)),
        (chess.BLACK, TimeControl(nodes=9), (5.0, 0.1, 5.0, 0.1)),
    ],
)
def test_an_engine_is_told_both_clocks_or_its_own_for_that_of_an_opponent_without(
    turn, opponent, clocks
):
    limit = TimeControl(9.0, 0.1).limit(5.0, opponent, 7.0, turn)
    sent = limit.white_clock, limit.white_inc, limit.black_clock, limit.black_inc
    assert sent == clocks


@pytest.mark.parametrize(
    ("limit", "tag"),
    [
        ("0.3 s a move", "1/0.3"),
        ("1,020 nodes a move", "-"),
        ("1+0.1, 20 nodes a move", "1+0.1"),
    ],
)
def test_each_side_has_a_tag_for_its_limit(limit, tag):
    tags = chess.pgn.read_headers(io.StringIO(replace(row_of(), controls=("60+1", limit)).pgn("x")))
    assert tags["WhiteTimeControl"] == "60+1"
    assert tags["BlackTimeControl"] == tag
    assert tags["BlackLimit"] == limit


def row_of(*scores_cp, names=NAMES, detail=""):
    moves = "g1f3 g8f6 f3g1 f6g8 g1h3 g8h6 h3g1 h6g8".split()[: len(scores_cp)]
    thoughts = tuple(Thought(105, score, 12, None) for score in scores_cp)
    row = replace(PLAYED, white=names[0], black=names[1], offender=names[1], detail=detail)
    return replace(row, uci=" ".join(moves), reason="adjudication", thoughts=thoughts)


def test_comments_count_mates_as_other_programs_do():
    scores = [32000 - 2, -32000 + 1, 32000 - 1, -32000, 32000, 32000 - 100, 0, -5]
    comments = re.findall(r"\{ (\S+)/12 0\.105s \}", row_of(*scores).pgn("x"))
    assert " ".join(comments) == "+M3 -M2 +M1 -M0 +M0 +M199 0.00 -0.05"


def test_a_stored_game_is_readable_whatever_is_in_its_names():
    names = ('The "Rocket"', "C:\\engines\\M\u00fcller\n")
    text = row_of(10, 20, names=names, detail='illegal } "move"').pgn('a "match"')
    for tag in (
        '[White "The \\"Rocket\\""]',
        '[Black "C:\\\\engines\\\\M\u00fcller "]',
        '[Event "a \\"match\\""]',
    ):
        assert tag in text
    game = chess.pgn.read_game(io.StringIO(text))
    assert len(list(game.mainline_moves())) == 2
    assert game.comment.endswith(': illegal ) "move"')


@pytest.mark.parametrize(
    ("first", "second", "reason", "results"),
    [
        (("score", -500), ("score", 500), Reason.ADJUDICATED, ["0-1", "1-0"]),
        ((), ("score", 0), Reason.LENGTH, ["1/2-1/2"] * 2),
    ],
)
def test_a_game_is_over_where_both_engines_say_so(first, second, reason, results, tmp_path):
    rules = Adjudication(DrawRule(2, 10, 1), ResignRule(2, 500))
    settings = match_of(*second, adjudication=rules)
    rows = played(replace(settings, first=scripted("one", *first)), tmp_path)
    assert [(row.reason, row.result) for row in rows] == [(reason, result) for result in results]


@pytest.mark.parametrize(
    ("start", "opening", "sign"),
    [
        ("w", "", 1),  # White begins
        ("w", "e2e4", -1),  # after a move of White's
        ("b", "", -1),  # Black begins
        ("b", "e7e5", 1),  # after a move of Black's
    ],
)
def test_scores_are_whites_whoever_begins(start, opening, sign):
    """The scores decide who has won: the other side would have."""
    thoughts = [Thought(0, score, None, None) for score in (30, 20, None, 10)]
    moves = moves_in(f"{opening} g1f3 g8f6 f3g1 f6g8")
    game = MatchGame(chess.STARTING_FEN.replace(" w ", f" {start} "), moves, thoughts=thoughts)
    assert game.white_scores() == [30 * sign, -20 * sign, None, -10 * sign]


def test_sequential_test_stops_the_match(tmp_path):
    settings = match_of("illegal", 1, games=60, sprt=Sprt(0.0, 200.0))
    rows = played(settings, tmp_path)
    assert 4 <= len(rows) < 60
    match = Match(settings, MatchArchive(tmp_path, settings.description()))
    assert match.decided
    assert match.standing().sprt == Sprt(0.0, 200.0).follow([2.0] * 30)
    assert len(played(settings, tmp_path)) == len(rows), "a decided match is not played on"


def test_interrupted_match_plays_what_is_missing(tmp_path):
    settings = match_of(games=2)
    assert len(played(settings, tmp_path, stop_after=1)) == 1
    stored = tmp_path / "games.jsonl"
    stored.write_bytes(stored.read_bytes() + b'{"number": 1, "whi')
    rows = played(replace(settings, games=4, concurrency=2), tmp_path)
    assert len(rows) == 4, "more games may be added"
    lines = stored.read_text().splitlines()
    assert sorted(json.loads(line)["number"] for line in lines) == [0, 1, 2, 3]
    assert (tmp_path / "games.pgn").read_text().count("[Round ") == 4


@pytest.mark.parametrize(
    "damage",
    [
        {"result": "won"}, {"number": "0"}, {"number": -1}, {"offender": "nobody"}, {"offender": "two"},
        {"reason": "bored"}, {"start_fen": "8/8"}, {"start_fen": 3}, {"uci": "e2e5"}, {"uci": None}, {"black": None},
        {"thoughts": [["soon", 1, 2, 3]]}, {"controls": []}, {"more": 1}, "[]", "{", "\udcff", "[" * 100_000,
    ],
)  # fmt: skip
def test_a_record_that_somebody_edited_is_refused_with_its_line(damage, tmp_path):
    settings = match_of(games=2)
    archive = MatchArchive(tmp_path, settings.description())
    good = replace(PLAYED, uci="e2e4", reason="length limit", thoughts=(Thought(3, 4, 5, 6),))
    archive.add(good)
    line = (
        damage if isinstance(damage, str) else json.dumps(asdict(replace(good, number=1)) | damage)
    )
    path = tmp_path / "games.jsonl"
    path.write_bytes(path.read_bytes() + line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(RunError, match=r"games\.jsonl:2: not a game"):
        MatchArchive(tmp_path, settings.description())
    assert len(path.read_bytes().splitlines()) == 2


def test_games_of_others_are_refused(tmp_path):
    archive = MatchArchive(tmp_path, match_of().description())
    archive.add(replace(PLAYED, black="new"))
    with pytest.raises(RunError, match=r"games\.jsonl: game 0 is not between one and two"):
        Match(match_of(), archive)


def test_a_match_goes_on_with_the_files_that_it_began_with(tmp_path):
    net, log = tmp_path / "net.dit", tmp_path / "log"
    net.write_text("trained")
    options = (("WeightsFile", str(net)), ("LogFile", str(log)))
    second = Contestant("two", ("aino", "--log-file", str(log)), options)
    settings = replace(match_of(), second=second)
    MatchArchive(tmp_path / "new", settings.description())
    log.write_text("a game")
    MatchArchive(tmp_path / "new", settings.description())
    net.write_text("trained anew")
    with pytest.raises(RunError, match=r"another match \(files differ\)"):
        MatchArchive(tmp_path / "new", settings.description())


@pytest.mark.parametrize(
    ("words", "contestant"),
    [
        (
            'name=sf cmd="stockfish -x" option.UCI_Elo=1350 option.Threads=1',
            Contestant("sf", ("stockfish", "-x"), (("UCI_Elo", "1350"), ("Threads", "1"))),
        ),
        ("cmd=a nodes=50", Contestant("a", ("a",), control=TimeControl(nodes=50, margin_s=0.02))),
        (
            "cmd=a tc=1+0.1 nodes=50",
            Contestant("a", ("a",), control=TimeControl(1.0, 0.1, 0.02, nodes=50)),
        ),
        ("/usr/bin/some engine", Contestant("some", ("/usr/bin/some", "engine"))),
        ("aino", Contestant("aino", (sys.executable, "-P", "-m", "uci"))),
    ],
)
def test_engines_are_described_in_words(words, contestant):
    assert parse_contestant(words, margin_ms=20.0) == contestant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a command"),
        ("name=x", "cmd= is missing"),
        ("name=one cmd=' '", "cmd= is missing"),
        ("cmd=a colour=red", "found 'colour=red'"),
        ("cmd=a nodes=1 nodes=2", "found 'nodes=2'"),
        ("cmd=a nodes=", "whole number of nodes"),
        ("cmd=a movetime=", "expected seconds a move"),
        *((f"cmd=a tc={text}", "time control") for text in ("", "0+1", "1+-1", "nan", "inf")),
        ("cmd=a tc=1+0 movetime=1", "time for each move"),
        ("cmd=aino name='one", "No closing quotation"),
        ('name=one cmd="aino \'"', "No closing quotation"),
    ],
)
def test_words_that_describe_no_engine_are_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        parse_contestant(text)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"options": (("Depth", "3"),)}, "no UCI option 'Depth'"),
        ({"options": (("Level", "10"),)}, "cannot set its options"),
        ({"options": (("Book", "no"),)}, "UCI option 'Book': expected true or false, got 'no'"),
        (
            {"command": ("no-such-engine",)},
            "no-such-engine' does not start: no such program .install it, or give cmd=",
        ),
        (
            {"command": ("net.dit",)},
            "'net.dit' does not start: no such program .a network plays as cmd=aino",
        ),
    ],
)
def test_engine_that_cannot_be_had_as_told_is_an_error(changed, named, tmp_path):
    settings = match_of()
    with pytest.raises(ConfigError, match=named):
        played(replace(settings, second=replace(settings.second, **changed)), tmp_path)
    # its moves were counted as illegal
    with pytest.raises(ConfigError, match="has no UCI option 'UCI_Chess960'"):
        played(replace(settings, chess960=True), tmp_path / "chess960")


def test_engine_that_does_not_get_ready_is_named_with_the_time_it_had(monkeypatch):
    monkeypatch.setattr(engine_process, "START_TIMEOUT_S", 3.0)
    with pytest.raises(ConfigError, match=r"^mute: cannot set its options: no answer within 3 s$"):
        open_engine(Contestant("mute", answering(isready="")))


@pytest.mark.usefixtures("brief_first_search")
def test_an_engine_that_never_moves_is_given_up_at_the_start(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(engine_process, "STOP_TIMEOUT_S", 0.5)
    with pytest.raises(
        ConfigError,
        match=r"^two: '.*' does not answer `go` within 1 s, and then `stop` within 0.5 s$",
    ):
        played(match_of("hang", 1), tmp_path)
    assert not caplog.messages, "asyncio told of the waits that were given up"


def test_a_line_without_an_end_takes_little_memory():
    flood = "while line == 'go nodes 9': print('x' * 1000, end='')"
    engine = open_engine(Contestant("loud", answering(flood)))
    try:
        with pytest.raises(TimeoutError):
            ask_engine(
                engine, engine.protocol.play(chess.Board(), chess.engine.Limit(nodes=9)), 0.5
            )
        assert len(engine.protocol.buffer[1]) <= uci_driver.LONGEST_ANSWER
    finally:
        close_engine(engine, force=True)


def test_lines_without_an_end_take_little_memory(tmp_path, monkeypatch):
    n_lines, parsed = [], []
    monkeypatch.setattr(match_game, "KEPT_LINES", 4)
    monkeypatch.setattr(
        match_game, "last_judgement", lambda lines, board: n_lines.append(len(lines)) or Info()
    )
    monkeypatch.setattr(
        chess.engine, "_parse_uci_info", lambda *words: parsed.append(len(n_lines)) or {}
    )
    played(match_of("bounds", 7), tmp_path)
    assert set(n_lines) == {1, 4}
    assert not any(parsed), "of those in a game, a hundred thousand took seconds"


@pytest.mark.parametrize("mute_at", ["uci", "isready", "go"])
def test_ctrl_c_ends_the_wait_for_a_mute_engine(mute_at, tmp_path, caplog):
    reached = tmp_path / "asked"
    note = f"if line.split()[0] == {mute_at!r}: open({str(reached)!r}, 'w').close()"
    mute = Contestant("mute", answering(note, **{mute_at: ""}))
    settings = replace(match_of(), second=mute)
    begin = time.monotonic()
    assert not Match(settings, MatchArchive(tmp_path, {})).play(print, reached.exists)
    assert time.monotonic() - begin < engine_process.START_TIMEOUT_S / 2
    assert "mute: stopped before it had answered at its start" in caplog.text


def test_ctrl_c_ends_the_wait_for_a_move(tmp_path):
    settings = match_of("hang", 2, control=TimeControl.parse("900+9"))
    begin = time.monotonic()
    assert not Match(settings, MatchArchive(tmp_path, {})).play(
        print, lambda: time.monotonic() > begin + 2.0
    )
    assert time.monotonic() - begin < 50.0  # `hang` sleeps for 60 s


def test_an_engine_with_defaults_that_it_does_not_allow_starts(tmp_path):
    """And an option was not set, or set to true, where the driver misread its default."""
    options = (
        "option name Book type check default False",
        "option name Threads type spin default 8",
        "option name TaskWorkers type spin default -1 min 0 max 128",  # Lc0 0.31
        "option name Hash type spin default 64 min 1 max 33554432",
        "option name Style type combo default Normal var Solid var Risky",
        "option name Level type spin min 1 max 9",
        "option name Depth type spin default  min 2 max 9",
        "option name Share type spin default 0.5 min 0 max 1",
        "option name Mode type combo var Very Calm var Wild",
        "option name Swapped type spin default 3 min 9 max 1",
        "option name Colour type slider default 3",
        "option name Clear Hash type button",
        # Coiled leaves out a word, Gaviota's names have UCI's
        "option name min Path (default) type string empty",
        "option",
    )
    note = f"if line.startswith('setoption'): open({str(tmp_path / 'heard')!r}, 'a').write(line + '\\n')"
    command = answering(note, uci="\n".join((*options, "uciok")))
    values = ("Book", "False"), ("Book", "true"), ("threads", "8")
    settings = *values, ("Clear Hash", ""), ("Style", "Risky"), ("min Path (default)", "x y")
    engine = open_engine(Contestant("odd", command, settings))
    try:
        defaults = {name: option.default for name, option in engine.options.items()}
        assert defaults == {"Book": False, "Threads": 8, "TaskWorkers": 0, "Hash": 64, "Style": "Normal", "Level": 1,
            "Depth": 2, "Share": 0, "Mode": "Very Calm", "Swapped": 3, "Clear Hash": "",
            "min Path (default)": "empty"}  # fmt: skip
        engine.play(chess.Board(), chess.engine.Limit(nodes=1))
        heard = (tmp_path / "heard").read_text().splitlines()
        texts = ["Book value false", "Book value true", "Threads value 8"]
        texts += ["Clear Hash", "Style value Risky", "min Path (default) value x y"]
        assert heard == [f"setoption name {text}" for text in texts], "each once, also a button"
    finally:
        close_engine(engine)


def test_pairs_that_differ_are_not_warned_of():
    fixed = TimeControl(nodes=9)
    assert not match_of(games=4, openings=2, control=fixed).warning
    assert not match_of(games=8, openings=2, control=TimeControl(nodes=9, movetime_s=1.0)).warning


def test_match_command_warns_and_sums_up(aino_train, tmp_path):
    book = tmp_path / "one.epd"
    book.write_text(f"{chess.STARTING_FEN}\n")
    flags = "--games", 4, "--nodes", 9, "--longest", 4, "--openings", book, "--out", tmp_path
    engines = [f"name={name} {ENGINE} option.Level=2" for name in NAMES]
    output = aino_train("match", "--first", engines[0], "--second", engines[1], *flags)
    assert output.startswith("warning: 2 pairs share 1 openings")
    assert "one against two, 4 games at 9 nodes a move: +0 =4 -0 (50.0%)" in output
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["score"] == 0.5
    assert result["pentanomial"] == [0, 0, 2, 0, 0]
