"""`aino annotate`: judging moves with scripted verdicts, and whole games with the real engine on few nodes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import chess
import chess.pgn
import pytest
from rich.console import Console

import uci.annotate.annotate as annotate_command
import uci.annotate.review as annotate_review
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits, SearchControl
from engine.search.result import OnInfo, RootMove, SearchInfo, SearchResult
from tests.protocol.fake_engine import FakeEngine
from uci.annotate.comments import add_comments, move_comment
from uci.annotate.game_page import game_section, page
from uci.annotate.judge import (
    BLUNDER,
    GREAT,
    INACCURACY,
    MISTAKE,
    judge,
    judge_loss,
    mean_accuracy,
    move_accuracy,
    winning_chances,
)
from uci.annotate.review import GameReview, ReviewInterrupted, review_game
from uci.main import main
from uci.terminal.waiting import search_interruptibly

FAST = ("--evaluator", "material", "--threads", "1", "--hash-mib", "16")
# Réti against Tartakower, Vienna 1910: 8...Nxe4 loses to a queen sacrifice and mate.
RETI = """\
[White "Richard Réti"]
[Black "Savielly Tartakower"]
[Result "1-0"]

1. e4 c6 2. d4 d5 3. Nc3 dxe4 4. Nxe4 Nf6 5. Qd3 e5 6. dxe5 Qa5+ 7. Bd2 Qxe5 8. O-O-O {natural} 8... Nxe4
9. Qd8+ Kxd8 10. Bg5+ Kc7 11. Bd8# 1-0
"""
# Anderssen against Kieseritzky, London 1851, from move 17 on. 18. Bd6 offers the rooks where simple moves win,
# 18...Bxg1 misses 18...Qxa1+, and 20...Na6 runs into a mate that ends with a queen sacrifice.
IMMORTAL = """\
[White "Adolf Anderssen"]
[Black "Lionel Kieseritzky"]
[SetUp "1"]
[FEN "rnb1k1nr/p2p1ppp/5q2/1pbN1N1P/4PBP1/3P1Q2/PPP5/R4KR1 b kq - 2 17"]
[Result "1-0"]

17... Qxb2 18. Bd6 Bxg1 19. e5 Qxa1+ 20. Ke2 Na6 21. Nxg7+ Kd8 22. Qf6+ Nxf6 23. Be7# 1-0
"""
FOOLS_MATE = '[White "<b>Fool & Co</b>"]\n[Result "0-1"]\n\n1. f3 e5 2. g4 Qh4# 0-1\n'


def read(text: str) -> chess.pgn.Game:
    game = chess.pgn.read_game(io.StringIO(text))
    assert game is not None
    return game


def position_after(*moves: str) -> chess.Board:
    board = chess.Board()
    for move in moves:
        board.push_san(move)
    return board


class ScriptedEngine(FakeEngine):
    """Gives each position the values of a script: position (EPD) -> value Q of each move, for the side to move."""

    def __init__(self, script: dict[str, dict[str, float]]) -> None:
        super().__init__(EngineOptions())
        self.script = script
        self.prior = 0.5
        self.evaluator = SimpleNamespace(name="scripted")

    def search(
        self, limits: Limits, on_info: OnInfo | None = None, control: SearchControl | None = None
    ) -> SearchResult:
        self.limits.append(limits)
        allowed = limits.searchmoves or tuple(self.board.legal_moves)
        values = self.script.get(self.board.epd(), {})
        children = [
            RootMove(move, visits=10, prior=self.prior, q=values.get(move.uci(), -0.9), draw=0.0, mate=None)
            for move in allowed
        ]
        children.sort(key=lambda child: -child.q)
        best = children[0]
        shares = (round(500 * (1 + best.q)), 0, 1000 - round(500 * (1 + best.q)))
        line = SearchInfo(1, 1, 1, 1, 1, 0, 1, round(100 * best.q), None, shares, [best.move])
        return SearchResult(best.move, None, [line], children, 1, 1)


def script_for(game: chess.pgn.Game, values: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """The script that gives the game's positions these values, in order."""
    boards = [game.board(), *(node.board() for node in game.mainline())]
    return {board.epd(): value for board, value in zip(boards, values, strict=False)}


def review(game: chess.pgn.Game, engine: FakeEngine) -> GameReview:
    return review_game(engine, game, Limits(nodes=1))  # type: ignore[arg-type]


# ---- judging --------------------------------------------------------------------------------------------------------


LOSSES = [(0.0, None), (0.04, None), (0.05, INACCURACY), (0.1, MISTAKE), (0.15, BLUNDER), (1, BLUNDER)]


@pytest.mark.parametrize(("loss", "judgement"), LOSSES)
def test_losses_have_names(loss: float, judgement: object) -> None:
    assert judge(loss, gap=0.0, chances=0.5) is judgement


@pytest.mark.parametrize(
    ("losses", "best", "judgement"),
    [
        ((0.3, 0.19), 0.6, BLUNDER),
        ((0.3, 0.17), 0.6, MISTAKE),
        ((0.14, 0.3), 0.6, MISTAKE),
        ((0.12, 0.12), 0.6, INACCURACY),
        ((0.3, 0.04), 0.6, None),
        ((0.24, 0.24), 0.24, MISTAKE),
    ],
)
def test_two_looks_name_a_loss_that_exceeds_the_limit_in_both_by_a_margin(
    losses: tuple[float, float], best: float, judgement: object
) -> None:
    assert judge_loss(losses, best) is judgement


def test_only_good_move_is_praised_while_the_game_is_open() -> None:
    assert judge(0.0, gap=0.2, chances=0.5) is GREAT
    assert judge(0.0, gap=0.2, chances=0.97) is None
    assert judge(0.01, gap=0.2, chances=0.5) is None


def test_move_that_loses_all_the_same_is_not_praised() -> None:
    """9...b5 of Morphy's Opera game: the least evil, and lost."""
    assert judge(0.0, gap=0.2, chances=0.3) is None


def test_advantage_counts_less_among_people_than_between_engines() -> None:
    assert [winning_chances(expected) for expected in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]
    assert 0.6 < winning_chances(0.7) < 0.7
    assert winning_chances(0.3) == pytest.approx(1 - winning_chances(0.7))


def test_accuracy_falls_with_the_loss() -> None:
    assert move_accuracy(0.0) == pytest.approx(100, abs=0.001)
    assert move_accuracy(0.1) == pytest.approx(63.6, abs=0.1)
    assert move_accuracy(1.0) == 0.0
    assert mean_accuracy([]) is None
    assert mean_accuracy([0.0, 1.0]) == pytest.approx(50, abs=0.001)


# ---- reviewing ------------------------------------------------------------------------------------------------------

QUIET = '[FEN "4k3/p7/8/8/8/8/P7/4K3 w - - 0 1"]\n[SetUp "1"]\n\n1. a3 a6 *\n'


def test_move_is_compared_with_the_best_one_searched_alike() -> None:
    game = read(QUIET)
    script = script_for(game, [{"e1e2": 0.4}, {"a7a6": 0.1}, {"e1e2": -0.1}])
    board = game.board()
    board.push_uci("e1e2")
    script[board.epd()] = {"a7a5": -0.34}  # what the best move really leads to: 0.34 for White, not 0.4
    first, second = review(game, ScriptedEngine(script)).moves
    assert first.loss == pytest.approx(winning_chances(0.67) - winning_chances(0.45))
    assert (first.judgement, first.best_line[0].uci()) == (MISTAKE, "e1e2")
    assert (second.loss, second.judgement, second.is_best) == (0.0, None, True)


def test_blunder_that_the_search_would_have_played_too_is_found() -> None:
    game = read(QUIET)
    engine = ScriptedEngine(script_for(game, [{"a2a3": 0.0, "e1e2": -0.2}, {"a7a6": 0.8}, {"e1e2": -0.8}]))
    board = game.board()
    board.push_uci("e1e2")
    engine.script[board.epd()] = {"a7a6": 0.2}
    first = review(game, engine).moves[0]
    assert first.judgement is BLUNDER
    assert first.loss == pytest.approx(winning_chances(0.4) - winning_chances(0.1))
    assert first.best_line[0].uci() == "e1e2"


def test_good_move_that_the_search_missed_is_no_loss_but_the_opponents_blunder_before() -> None:
    game = read(QUIET)
    engine = ScriptedEngine(script_for(game, [{"e1e2": 0.0}, {"e8e7": 0.0}, {"e1e2": -0.9}]))
    found = review(game, engine)
    assert found.moves[1].loss == 0.0
    assert found.moves[1].is_best
    assert found.moves[0].judgement is BLUNDER


def test_quiet_refutation_clears_the_sacrifice_before_it() -> None:
    """The look behind White's move misses what Black's best answer costs; the game shows it, and White lost nothing."""
    game = read('[FEN "4k3/p7/8/8/8/8/P7/4K3 w - - 0 1"]\n[SetUp "1"]\n\n1. a3 a6 2. a4 *\n')
    values = [{"e1e2": 0.8}, {"a7a6": 0.0, "e8e7": -0.1}, {"a3a4": 0.8}, {"e8e7": -0.8}]
    engine = ScriptedEngine(script_for(game, values))
    other = game.board()
    for move in ("a2a3", "e8e7"):
        other.push_uci(move)
    engine.script[other.epd()] = {"e1e2": 0.76}
    first, second, third = review(game, engine).moves
    assert (first.loss, first.judgement) == (pytest.approx(winning_chances(0.9) - winning_chances(0.88)), None)
    assert first.after.expected == pytest.approx(0.88), "the corrected value, not the 0.5 that the look gave"
    assert second.loss == pytest.approx(first.loss)
    assert third.loss == 0.0


def test_a_third_move_is_searched_where_the_played_and_the_favourite_both_fail() -> None:
    game = read(QUIET)
    engine = ScriptedEngine(script_for(game, [{"e1e2": 0.8, "e1d2": 0.5, "a2a3": 0.3}, {"e8e7": 0.8}]))
    for move, reply in (("e1e2", 0.9), ("e1d2", -0.2)):
        other = game.board()
        other.push_uci(move)
        engine.script[other.epd()] = {"e8e7": reply}
    first = review(game, engine).moves[0]
    assert first.best_line[0].uci() == "e1d2"
    assert first.loss == pytest.approx(winning_chances(0.6) - winning_chances(0.1))
    assert first.judgement is BLUNDER


def test_mate_that_only_the_game_finds_is_counted_from_each_position() -> None:
    found = review(read(FOOLS_MATE), ScriptedEngine({}))
    assert [move.after.text for move in found.moves[-2:]] == ["#-1", "#"]
    assert found.moves[-1].is_best


def test_known_opening_moves_are_judged_only_if_they_are_blunders() -> None:
    game = read("1. e4 c6 2. d4 *")
    values = [{"e2e4": 0.0}, {"e7e5": 0.0}, {"d2d4": 0.2, "g1f3": 0.1}, {"d7d5": 0.45}]
    engine = ScriptedEngine(script_for(game, values))
    engine.script[position_after("e4", "e5").epd()] = {"g1f3": 0.0}
    engine.script[position_after("e4", "c6", "Nf3").epd()] = {"d7d5": -0.16}
    _, second, third = review(game, engine).moves
    assert second.loss == pytest.approx(winning_chances(0.5) - winning_chances(0.42))
    assert second.judgement is None
    assert third.judgement is BLUNDER


class SecondThoughts(ScriptedEngine):
    """Has another script for searches of more than one node."""

    def __init__(self, script: dict[str, dict[str, float]], deep: dict[str, dict[str, float]]) -> None:
        super().__init__(script)
        self.first, self.deep = script, {**script, **deep}

    def search(
        self, limits: Limits, on_info: OnInfo | None = None, control: SearchControl | None = None
    ) -> SearchResult:
        self.script = self.deep if limits.nodes != 1 else self.first
        return super().search(limits, on_info, control)


@pytest.mark.parametrize(
    ("answer", "judgement"), [(0.7, BLUNDER), (0.5, MISTAKE), (0.2, INACCURACY), (0.0, None), (-0.5, None)]
)
def test_bad_mark_is_the_milder_one_of_two_looks(answer: float, judgement: object) -> None:
    """The first look calls 1. a3 a blunder: 0.2 against -0.8. The second one gives the reply another value."""
    game = read(QUIET)
    script = script_for(game, [{"e1e2": 0.0, "a2a3": -0.2}, {"a7a6": 0.8}, {"e1e2": -0.8}])
    better, after = game.board(), game.board()
    better.push_uci("e1e2")
    after.push_uci("a2a3")
    script[better.epd()] = {"a7a6": 0.0}
    engine = SecondThoughts(script, {after.epd(): {"a7a6": answer, "e8e7": answer}})
    engine.deep[game.end().board().epd()] = {"e1e2": -answer}
    first = review(game, engine).moves[0]
    assert first.judgement is judgement
    assert first.is_best == (judgement is None)
    assert {limits.nodes for limits in engine.limits} == {1, 4}


@pytest.mark.parametrize(("other", "judgement"), [(-0.7, GREAT), (-0.1, None), (0.2, None)])
def test_move_is_praised_only_if_the_others_lose_in_the_second_look_too(other: float, judgement: object) -> None:
    game = read(QUIET)
    script = script_for(game, [{"a2a3": 0.1}, {"a7a6": -0.1}, {"e1e2": 0.1}])
    engine = SecondThoughts(script, {game.board().epd(): {"a2a3": 0.1, "e1e2": other}})
    engine.prior = 0.1
    first = review(game, engine).moves[0]
    assert first.judgement is judgement
    assert (judgement is None) == (move_comment(first) == "")
    if judgement:
        assert move_comment(first).startswith("The only good move: any other costs 28%")


def test_moves_without_a_second_look_have_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    game = read(QUIET)
    engine = ScriptedEngine(script_for(game, [{"e1e2": 0.0}, {"e8e7": 0.0}, {"e1e2": -0.9}]))
    looks = 0

    def interrupted_search(engine: Engine, limits: Limits) -> SearchResult:
        nonlocal looks
        if limits.nodes == 4:
            looks += 1
            raise KeyboardInterrupt
        return search_interruptibly(engine, limits)

    monkeypatch.setattr(annotate_review, "search_interruptibly", interrupted_search)
    with pytest.raises(ReviewInterrupted) as interrupt:
        review(game, engine)
    assert looks == 1
    assert interrupt.value.review is not None
    assert [move.judgement for move in interrupt.value.review.moves] == [None, None]


def test_game_without_moves_is_reviewed() -> None:
    found = review(read('[White "A"]\n\n*\n'), ScriptedEngine({}))
    assert found.moves == []
    assert found.summary(chess.WHITE) == "no moves"
    assert "A" in game_section(found, 1, "")[1]


# ---- PGN ------------------------------------------------------------------------------------------------------------


def test_comments_keep_what_was_there_and_read_back() -> None:
    game = read("{first} 1. e4 {mine} 1... a6 $1 (1... e5) 2. g4 *")
    engine = ScriptedEngine(script_for(game, [{"e2e4": 0.1}, {"e7e5": 0.0}, {"d2d4": 0.6}, {"e7e5": 0.5}]))
    engine.script[position_after("e4", "e5").epd()] = {"g1f3": 0.1}
    engine.script[position_after("e4", "a6", "d4").epd()] = {"e7e5": -0.6}
    text = str(add_comments(review(game, engine)))
    again = read(text)
    assert again.errors == []
    assert again.headers["Annotator"].startswith("Aino")
    assert again.comment.startswith("first White: accuracy")
    first = again.next()
    assert first is not None
    assert first.comment.startswith("mine [%eval")
    second = first.next()
    assert second is not None
    third = second.next()
    assert third is not None
    assert [variation.san() for variation in first.variations] == ["a6", "e5"]
    assert third.nags == {4}
    assert "Blunder, costs" in third.comment
    assert [variation.san() for variation in second.variations] == ["g4", "d4"]


def test_mate_on_the_board_has_no_evaluation() -> None:
    text = str(add_comments(review(read(FOOLS_MATE), ScriptedEngine({}))))
    assert "Qh4# 0-1" in text


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_page_escapes_what_comes_from_the_file() -> None:
    section = game_section(review(read(FOOLS_MATE), ScriptedEngine({})), 1, "[%eval <b>]")
    text = page("<i>games</i>", [section], "1 node")
    assert "<b>Fool" not in text
    assert "&lt;b&gt;Fool &amp; Co&lt;/b&gt;" in text
    assert "<i>games" not in text
    assert "[%eval <b>]" not in text


@pytest.mark.parametrize(
    ("date", "shown"),
    [("1858.??.??", "1858"), ("1858.11.??", "1858.11"), ("1858.11.02", "1858.11.02"), ("????.??.??", "")],
)
def test_page_tells_what_is_known_of_a_date(date: str, shown: str) -> None:
    game = read(FOOLS_MATE)
    game.headers.update(Event="?", Site="?", Date=date)
    _, section = game_section(review(game, ScriptedEngine({})), 1, "")
    facts = re.search(r'<p class="muted">(.*?)</p>', section, re.S)
    assert facts is not None
    assert facts[1].split("·")[0].strip() == (shown or "Barnes Opening, Fool&#39;s Mate")


def test_page_loads_nothing_and_its_steps_are_the_game() -> None:
    found = review(read(RETI), ScriptedEngine({}))
    text = page("game", [game_section(found, 1, "")], "1 node")
    outside = re.findall(r"(?:src|href)=\"(?!#|data:,)([^\"]*)\"|url\((?!#)", text)
    assert outside == []
    steps = json.loads(re.search(r'class="steps">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    assert len(steps) == 22
    assert steps[-1]["pieces"] == found.game.end().board().board_fen()


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def games(tmp_path: Path) -> Path:
    path = tmp_path / "games.pgn"
    path.write_text(f"{FOOLS_MATE}\n{RETI}\n", encoding="utf-8")
    return path


def annotated(path: Path) -> Iterator[chess.pgn.Game]:
    with path.open(encoding="utf-8") as file:
        while (game := chess.pgn.read_game(file)) is not None:
            yield game


def test_known_blunder_of_a_famous_game_is_found(games: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", str(games), "--nodes", "2000", *FAST]) == 0
    fools, reti = annotated(games.with_name("games.annotated.pgn"))
    assert [node.san() for node in fools.mainline() if 4 in node.nags] == ["g4"]
    assert [node.san() for node in reti.mainline() if 4 in node.nags] == ["Nxe4"]
    assert "game 2, 1-0. Richard Réti: accuracy" in capsys.readouterr().out
    text = games.with_name("games.annotated.html").read_text(encoding="utf-8")
    assert "8... Nxe4??" in text
    assert "Turning points" in text


def test_earlier_results_are_not_overwritten_unasked(games: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["annotate", str(games), "--nodes", "1", *FAST]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert main([*arguments, "--overwrite", "--out", str(games.with_suffix(""))]) == 1, "never the games themselves"
    assert len(list(annotated(games))) == 2


def test_interrupt_keeps_the_finished_games(
    games: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted_in_the_second(engine: Engine, game: chess.pgn.Game, *rest: object) -> GameReview:
        if game.headers["Black"] != "?":
            raise KeyboardInterrupt
        return review(game, ScriptedEngine({}))

    monkeypatch.setattr(annotate_command, "review_game", interrupted_in_the_second)
    assert main(["annotate", str(games), *FAST]) == 130
    assert len(list(annotated(games.with_name("games.annotated.pgn")))) == 1
    assert "Fool &amp; Co" in games.with_name("games.annotated.html").read_text(encoding="utf-8")
    assert "1 game in" in capsys.readouterr().out


def test_interrupt_keeps_what_is_done_of_the_game_under_way(
    games: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = 0

    def interrupted_search(engine: Engine, limits: Limits) -> SearchResult:
        nonlocal searches
        searches += 1
        if searches == 4:  # of the position behind 2. g4
            raise KeyboardInterrupt
        return search_interruptibly(engine, limits)

    monkeypatch.setattr(annotate_review, "search_interruptibly", interrupted_search)
    assert main(["annotate", str(games), "--nodes", "50", *FAST]) == 130
    (game,) = annotated(games.with_name("games.annotated.pgn"))
    assert "Reviewed up to ply 2 of 4." in game.comment
    assert ["[%eval" in node.comment for node in game.mainline()] == [True, True, False, False]
    assert "Fool &amp; Co" in games.with_name("games.annotated.html").read_text(encoding="utf-8")
    assert "interrupted" in capsys.readouterr().err


def test_game_that_cannot_be_played_is_skipped_and_the_others_are_annotated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mixed.pgn"
    impossible = '[White "X"]\n[SetUp "1"]\n[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*\n'
    unreadable = '[White "Y"]\n[SetUp "1"]\n[FEN "no position"]\n\n1. e4 *\n'
    variant = '[White "Z"]\n[Variant "Antichess"]\n\n1. e4 *\n'
    path.write_text("\n".join([impossible, FOOLS_MATE, unreadable, variant, "1. d4 *\n"]), encoding="utf-8")
    assert main(["annotate", str(path), "--nodes", "1", *FAST]) == 1
    first, second = annotated(tmp_path / "mixed.annotated.pgn")
    assert [node.san() for node in (first.end(), second.end())] == ["Qh4#", "d4"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(" is skipped: ")[0] for line in told] == ["game 1", "game 3", "game 4"]
    assert "antichess" in told[2]


@pytest.mark.parametrize(("movetext", "mended"), [("1. e4 e5", "*"), ("1. f3 e5 2. g4 Qh4#", "0-1")])
def test_broken_result_tag_is_not_written_through(tmp_path: Path, movetext: str, mended: str) -> None:
    path = tmp_path / "game.pgn"
    path.write_text(f'[White "A"]\n[Result "White wins (on time"]\n\n{movetext}\n\n{FOOLS_MATE}', encoding="utf-8")
    assert main(["annotate", str(path), "--nodes", "1", *FAST]) == 0
    first, second = annotated(tmp_path / "game.annotated.pgn")
    assert (first.headers["Result"], second.headers["Result"]) == (mended, "0-1")
    assert not first.errors
    assert not second.errors


def test_damaged_game_is_annotated_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.pgn"
    path.write_text('1. e4 e5 2. Ke3 d5 *\n\n[White "Next"]\n\n1. d4 *\n', encoding="utf-8")
    assert main(["annotate", str(path), "--nodes", "1", *FAST]) == 1
    assert "game 1: illegal san: 'Ke3'" in capsys.readouterr().err
    first, second = annotated(tmp_path / "broken.annotated.pgn")
    assert [node.san() for node in first.mainline()] == ["e4", "e5"]
    assert second.headers["White"] == "Next"


def test_single_game_is_annotated_under_a_free_name(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    engine = ScriptedEngine({})
    for _ in range(2):
        annotate_command.annotate_game(console, engine, read(FOOLS_MATE), tmp_path / "mine.pgn")  # type: ignore[arg-type]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"mine.annotated{number}.{kind}" for number in ("-2", "") for kind in ("html", "pgn")]
    (game,) = annotated(tmp_path / "mine.annotated.pgn")
    assert "Reviewed by Aino" in game.comment
    assert "20,000 nodes a position; each mark is confirmed with 80,000 nodes" in game.comment


def test_file_without_games_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", str(tmp_path / "missing.pgn"), *FAST]) == 1
    assert "missing.pgn" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_blunders_of_the_immortal_game_are_found(tmp_path: Path) -> None:
    path = tmp_path / "immortal.pgn"
    path.write_text(IMMORTAL, encoding="utf-8")
    assert main(["annotate", str(path), "--nodes", "20000", *FAST[:-1], "64"]) == 0
    (game,) = annotated(tmp_path / "immortal.annotated.pgn")
    nags = {node.san(): node.nags for node in game.mainline()}
    assert 4 in nags["Na6"]
    assert nags["Bd6"] & {2, 4}
    assert nags["Bxg1"] & {2, 4, 6}
    assert not any(nags[san] for san in ("Nxg7+", "Qf6+", "Be7#"))


def test_comment_names_the_loss_and_the_better_move() -> None:
    game = read(QUIET)
    script = script_for(game, [{"e1e2": 0.4}, {"a7a6": 0.1}, {"e1e2": -0.1}])
    first, second = review(game, ScriptedEngine(script)).moves
    assert move_comment(first).startswith("Blunder, costs ")
    assert move_comment(first).endswith("Better was Ke2.")
    assert move_comment(second) == ""
