"""Reviews of games: moves are judged by scripted evaluations; their marks, comments, pages and
numbers.
"""

import random
import re
from dataclasses import replace

import chess.pgn
import pytest

from engine.board import notation
from engine.search.limits import Limits
from tests.boards import board_after
from tests.uci.annotate.scripted_reviews import (
    FOOLS_MATE,
    QUIET,
    RETI,
    ScriptedEngine,
    epd,
    quiet_game,
    read,
    review,
    script_for,
    section_of,
    steps_of,
    valued,
)
from uci.annotate.accuracy import game_accuracy, phases, rated_moves, rating_played
from uci.annotate.comments import add_comments, move_comment, turning_sentence
from uci.annotate.game_page import game_section, render_game_page
from uci.annotate.move_marks import (
    BAD,
    BLUNDER,
    BRILLIANT,
    GREAT,
    INACCURACY,
    MISTAKE,
    is_only_move,
    mark_of,
    winning_chances,
)
from uci.annotate.review import ReviewInterrupted, review_game
from uci.common.evaluation import Evaluation


@pytest.mark.parametrize(
    ("loss", "best", "mark"),
    [
        (0.0, 0.5, None),
        (0.09, 0.5, INACCURACY),
        (0.14, 0.5, MISTAKE),
        (0.19, 0.5, BLUNDER),
        (1.0, 1.0, BLUNDER),
        (0.24, 0.24, MISTAKE),  # nothing is left to lose
    ],
)
def test_losses_have_names_where_they_exceed_a_limit_by_a_margin(loss, best, mark):
    assert mark_of(loss, best) is mark


@pytest.mark.parametrize(
    ("gap", "chances", "expected"),
    [
        (0.2, 0.5, True),
        (0.1, 0.5, False),
        (0.2, 0.97, False),  # the game is decided
        (0.2, 0.3, False),  # 9...b5 of Morphy's Opera game: the least evil, and lost
    ],
)
def test_only_good_move_of_an_open_game_is_a_feat(gap, chances, expected):
    assert is_only_move(gap, chances) is expected


@pytest.mark.parametrize(("best", "mark"), [(0.5, BLUNDER), (0.06, MISTAKE), (0.05, None)])
def test_a_move_that_allows_a_mate_is_no_inaccuracy(best, mark):
    """15...Nxd7 of Morphy's Opera game costs 6% of a lost position, and is mated in two."""
    assert mark_of(best, best, allows_mate=True) is mark


# White's scores of a game, and what Lichess's code makes of them: White's and Black's accuracy where
# White moved first, and where Black did. https://github.com/lichess-org/lila,
# modules/analyse/src/main/AccuracyPercent.scala
OF_LICHESS = {
    "15 47 33": ((100.0, 100.0), (95.3998, 88.6217)),
    "15 41 40 79 76 225 -38 -51 -94 151 66 125 65 17 34 -290": ((75.5500, 99.4616), (64.8561, 72.6077)),
    "15 0 36 80 51 56 -103 43 158 246 242 309 285 356 295 258 315 404 485 592 577 755 828 859 1006 902 927 850 1107 "
    "1080 1073 1185 1300 1300 1300 827 857 865 721 697 596": ((98.6756, 92.4629), (92.5130, 85.6445)),
    "15 26 311 384 610 441 289 324 492 479 484 306 183 140 13 -19 -2 37 -261 -446 -437 -453 -363 -397 -415 -488 -551 "
    "-650 -637 -248 -277 -222 -334 -183 -43 -93 -104 81 172 -203 -256 -231 -62 -109 124 33 86 38 9 -11 -130 -123 -106 "
    "-133 -80 -156 -189 32 52 39 -371 -363 -484 -445 -455 -432 -260 -92 748 753 872 1166 1225 1300 1007 997 1011 1012 "
    "1039 885 893 609 622 518 440 406": ((87.1778, 76.3988), (85.2315, 89.5413)),
}  # fmt: skip


@pytest.mark.parametrize(("scores", "accuracies"), OF_LICHESS.items(), ids=[2, 15, 40, 85])
def test_accuracy_is_that_of_lichess(scores, accuracies):
    scores_cp = list(map(float, scores.split()))
    for first, expected in zip((chess.WHITE, chess.BLACK), accuracies, strict=True):
        moves = rated_moves(scores_cp, first)
        of_first, of_second = game_accuracy(moves[::2]), game_accuracy(moves[1::2])
        white_and_black = (of_first, of_second) if first else (of_second, of_first)
        assert white_and_black == approximately(expected)


def approximately(accuracies):
    return pytest.approx(accuracies, abs=1e-4)


def test_the_accuracy_of_a_review_is_that_of_its_evaluations():
    """White's scores are -68, -68, -104 and -104, as the code of Lichess was given them."""
    game = read("1. f3 e5 2. a3 d5 *")
    values = [
        {"e2e4": 0.0, "f2f3": -0.2},
        {"e7e5": 0.2},
        {"a2a3": -0.3, "e2e4": -0.2},
        {"d7d5": 0.3},
        {"e2e4": -0.3},
    ]
    reviewed = review(game, ScriptedEngine(script_for(game, values)))
    accuracies = (reviewed.accuracy(chess.WHITE), reviewed.accuracy(chess.BLACK))
    assert accuracies == approximately((77.7350, 100.0))
    assert game_accuracy([]) is None


class SecondThoughts(ScriptedEngine):
    """Has another script for searches of more than one node."""

    def __init__(self, script, deep):
        super().__init__(script)
        self.deep = {**script, **deep}

    def script_of(self, limits):
        return self.deep if limits.nodes != 1 else self.script


class DeepestThoughts(ScriptedEngine):
    """Has another script for third looks."""

    def script_of(self, limits):
        return self.script | self.deepest if limits.nodes == 32 else self.script


def test_move_is_compared_with_the_best_one_searched_alike():
    game, script = quiet_game(0.4, 0.1)
    deep = {epd(game): {"e1e2": 0.34}}  # what the best move really leads to, not 0.4
    first, second = review(game, SecondThoughts(script, deep)).moves
    assert first.loss == pytest.approx(winning_chances(0.67) - winning_chances(0.45))
    assert first.mark == MISTAKE
    assert first.best_line[0].uci() == "e1e2"
    assert second.loss == 0.0
    assert second.is_best
    assert move_comment(first).startswith(
        "Mistake: allows 1...a6 2. Ke2. Your winning chances drop from "
    )
    assert "Better was Ke2." in move_comment(first)
    assert move_comment(second) == ""


def test_quiet_refutation_clears_the_sacrifice_before_it():
    """The look behind White's move misses what Black's best answer costs; the game shows it, and
    White lost nothing.
    """
    game = read('[FEN "4k3/p7/8/8/8/8/P7/4K3 w - - 0 1"]\n[SetUp "1"]\n\n1. a3 a6 2. a4 *\n')
    values = [{"e1e2": 0.8}, {"a7a6": 0.0, "e8e7": -0.1}, {"a3a4": 0.8}, {"e8e7": -0.8}]
    engine = SecondThoughts(
        script_for(game, values), {epd(game, "a2a3"): {"a7a6": 0.0, "e8e7": -0.76}}
    )
    first, second, third = review(game, engine).moves
    assert first.loss == pytest.approx(winning_chances(0.9) - winning_chances(0.88))
    assert first.mark is None
    assert first.after.expected == pytest.approx(0.88), (
        "the corrected value, not the 0.5 that the look gave"
    )
    assert second.loss == pytest.approx(first.loss)
    assert third.loss == 0.0


def test_mates_are_counted_from_each_position():
    reviewed = review(read(FOOLS_MATE), ScriptedEngine({}))
    assert [move.after.text for move in reviewed.moves[-2:]] == ["#-1", "#"]
    assert "Qh4# 0-1" in str(add_comments(reviewed)), "a mate on the board has no evaluation"
    assert reviewed.moves[-1].is_best


def test_mates_are_counted_along_their_lines():
    evaluation = Evaluation(0, -2, (0, 0, 1000))
    texts = []
    for side in (chess.WHITE, chess.BLACK, chess.WHITE, chess.BLACK):
        evaluation = evaluation.after_move_of(side)
        texts.append(evaluation.text)
    assert texts == ["#-2", "#-1", "#-1", "#"]


SHUFFLE = "Nf3 Nf6 Ng1 Ng8 " * 4


@pytest.mark.parametrize(
    "text",
    [
        f"{SHUFFLE} f3 e5 g4 *",
        '[FEN "4k3/p7/8/8/8/8/P7/4K3 w - - 150 99"]\n[SetUp "1"]\n\n1. Ke2 a6 *',
    ],
    ids=["five repetitions", "seventy-five moves"],
)
def test_a_game_that_goes_on_where_arbiters_end_it_is_reviewed(text):
    game = read(text)
    moves = review(game, ScriptedEngine({game.end().board().epd(): {"e8e7": 0.9}})).moves
    assert len(moves) == game.end().ply() - game.ply()
    assert all(move.best_line for move in moves)


@pytest.mark.parametrize(("result", "is_draw"), [("1/2-1/2", True), ("*", False)])
def test_a_claimed_draw_is_one(result, is_draw):
    """The search had gone on behind it, and whoever gave it lost nothing."""
    game = read(f'[Result "{result}"]\n\n{SHUFFLE} {result}')
    engine = ScriptedEngine({game.end().board().epd(): {"e2e4": 0.9}})
    assert (review(game, engine).moves[-1].after == Evaluation.of_result("1/2-1/2")) == is_draw


def test_a_pass_is_not_judged():
    """Study authors pass to show a threat; a pass that throws everything away is no blunder."""
    game = read("1. e4 e5 2. Qh5 -- 3. Qxf7# 1-0\n")
    script = script_for(
        game, [{"e2e4": 0.0}, {"e7e5": 0.0}, {"d1h5": 0.0}, {"b8c6": 0.0}, {"h5f7": 0.9}]
    )
    reviewed = review(game, ScriptedEngine(script))
    assert reviewed.moves[3].mark is None
    assert move_comment(reviewed.moves[3]) == ""
    assert reviewed.accuracy(chess.BLACK) == pytest.approx(100.0), "of 1... e5 alone"
    assert "2... -- " in section_of(reviewed)


def test_known_opening_moves_are_judged_only_if_they_are_blunders():
    game = read("1. e4 c6 2. d4 *")
    values = [{"e2e4": 0.0}, {"e7e5": 0.0}, {"d2d4": 0.2, "g1f3": 0.1}, {"d7d5": 0.45}]
    engine = SecondThoughts(
        script_for(game, values), {board_after("e4 c6").epd(): {"d2d4": 0.2, "g1f3": 0.16}}
    )
    _, second, third = review(game, engine).moves
    assert second.loss == pytest.approx(winning_chances(0.5) - winning_chances(0.42))
    assert second.mark is None
    assert third.mark is BLUNDER


@pytest.mark.parametrize(
    ("answer", "mark"), [(0.7, BLUNDER), (0.42, MISTAKE), (0.3, INACCURACY), (0.0, None)]
)
def test_bad_mark_is_what_thorough_searches_say(answer, mark):
    """The first look calls 1. a3 a blunder: 0.2 against -0.8. The thorough one gives the reply
    another value.
    """
    game, script = quiet_game(0.0, 0.8)
    script[epd(game)]["a2a3"] = -0.2
    script[epd(game, "e1e2")] = {"a7a6": 0.0}
    engine = SecondThoughts(script, {epd(game, "a2a3"): {"a7a6": answer, "e8e7": answer}})
    engine.deep[game.end().board().epd()] = {"e1e2": -answer}
    first = review(game, engine).moves[0]
    assert first.mark is mark
    assert first.is_best == (mark is None)
    assert {limits.nodes for limits in engine.limits} == {1, 8}


@pytest.mark.parametrize(("answer", "mark"), [(0.0, None), (0.8, BLUNDER)])
def test_a_third_look_settles_a_loss_near_the_limit(monkeypatch, answer, mark):
    """Rotlewi's 19. e5 against Rubinstein lost 16% and had no mark."""
    monkeypatch.setattr("uci.annotate.settling._THIRD_SHARE", 100)
    game, script = quiet_game(0.0, 0.24)
    engine = DeepestThoughts(script)
    engine.deepest = {epd(game, "a2a3"): {"a7a6": answer, "e8e7": answer}}
    engine.deepest[game.end().board().epd()] = {"e1e2": -answer}
    assert review(game, engine).moves[0].mark is mark


def test_third_looks_take_a_share_of_the_time():
    """A short game with one doubtful move has no time for one."""
    game, script = quiet_game(0.0, 0.24)
    review(game, engine := ScriptedEngine(script))
    assert max(limits.nodes for limits in engine.limits) == 8


def test_quiet_game_has_no_thorough_search():
    engine = ScriptedEngine(
        script_for(read(QUIET), [{"a2a3": 0.1, "e1e2": 0.15}, {"a7a6": -0.1}, {"e1e2": 0.1}])
    )
    assert [move.mark for move in review(read(QUIET), engine).moves] == [None, None]
    assert [limits.nodes for limits in engine.limits] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(8))
def test_every_large_drop_of_the_curve_has_a_mark(seed):
    """A position is worth as much before a move as after the one before it; no large drop lacks a
    mark.
    """
    rng = random.Random(seed)
    board = chess.Board("4k3/pppp4/8/8/8/8/PPPP4/4K3 w - - 0 1")
    script = {}
    deep = {}
    for _ in range(30):
        moves = list(board.legal_moves)
        for script_of in (script, deep):
            script_of[board.epd()] = {move.uci(): rng.uniform(-1, 1) ** 3 for move in moves}
        board.push(rng.choice(moves))
    moves = review(chess.pgn.Game.from_board(board), SecondThoughts(script, deep)).moves
    for move in moves:
        assert (move.mark in BAD) == (move.loss >= 0.085), move
        assert move.loss == 0.0 or not move.is_best
        if move.mark in BAD:
            alternatives = {**deep[move.board.epd()], move.move.uci(): -1.0}
            assert move.best_line[0].uci() == max(alternatives, key=alternatives.get)
    assert sum(move.mark in BAD for move in moves) > 5


@pytest.mark.parametrize(("second_best", "mark"), [(-0.7, GREAT), (-0.1, None), (0.2, None)])
def test_move_is_praised_only_if_the_others_lose_in_the_second_look_too(second_best, mark):
    game = read(QUIET)
    script = script_for(game, [{"a2a3": 0.1}, {"a7a6": -0.1}, {"e1e2": 0.1}])
    engine = SecondThoughts(script, {epd(game): {"a2a3": 0.1, "e1e2": second_best}})
    engine.shares = {"a2a3": 0.1}
    first = review(game, engine).moves[0]
    assert first.mark is mark
    assert (mark is None) == (move_comment(first) == "")
    if mark:
        assert move_comment(first).startswith(
            "The only good move: any other lowers your winning chances by 28%"
        )


class MateFinder(ScriptedEngine):
    """Sees mates in one."""

    def search(self, limits, on_info=None, job=None):
        for move in limits.searchmoves or tuple(self.board.legal_moves):
            if notation.board_after(self.board, move).is_checkmate():
                self.script[self.board.epd()] = {move.uci(): 1.0}
                result = super().search(limits, on_info, job)
                mate = replace(result.infos[0], score_mate=1, wdl=(1000, 0, 0))
                return replace(result, infos=[mate])
        return super().search(limits, on_info, job)


def test_a_move_that_allows_a_mate_in_a_lost_position_is_a_mistake_with_its_reason():
    game = read(
        '[FEN "6k1/5ppp/8/8/8/8/5q2/1R5K b - - 0 1"]\n[SetUp "1"]\n\n1... Qa2 2. Rb8# 1-0\n'
    )
    worse = {move.uci(): -0.97 for move in game.board().legal_moves}
    engine = MateFinder({epd(game): {**worse, "g7g6": -0.96}, epd(game, "g7g6"): {"b1b7": 0.96}})
    first = review(game, engine).moves[0]
    assert first.mark is MISTAKE
    assert first.reply_line[0].uci() == "b1b8"
    assert move_comment(first).startswith(
        "Mistake: allows a back-rank mate in 1. Your winning chances drop from"
    )
    assert "Better was g6" in move_comment(first)


@pytest.mark.parametrize(
    ("share", "second_best", "mark"), [(0.01, 0.2, BRILLIANT), (0.5, 0.2, None), (0.01, 0.35, None)]
)
def test_a_hard_sacrifice_is_brilliant(share, second_best, mark):
    """The rook is offered for a pawn; the second look gives the best other move another value."""
    game = read('[FEN "6k1/R4ppp/8/8/8/8/5PPP/6K1 w - - 0 1"]\n[SetUp "1"]\n\n1. Rxf7 Kxf7 *\n')
    script = script_for(game, [{"a7f7": 0.4}, {"g8f7": -0.4}, {"h2h3": 0.4}])
    engine = SecondThoughts(script, {epd(game): {"a7f7": 0.4, "h2h3": second_best}})
    engine.shares = {"a7f7": share}
    first = review(game, engine).moves[0]
    assert first.mark is mark
    assert ("Brilliant" in move_comment(first)) == (mark is BRILLIANT)
    assert ("The point is 1...Kxf7" in move_comment(first)) == (mark is BRILLIANT)


def stopped(game, script, is_last):
    """The review of a game that Ctrl-C ends at the first search of which `is_last` is true."""

    def interrupted_search(engine, limits):
        if is_last(engine.board, limits):
            raise KeyboardInterrupt
        return engine.search(limits)

    engine = ScriptedEngine(script)
    with pytest.raises(ReviewInterrupted) as interrupt:
        review_game(engine, game, Limits(nodes=1), search=interrupted_search)
    return interrupt.value.review


def stopped_before_marks():
    return stopped(*quiet_game(0.0, 0.9), lambda board, limits: limits.nodes == 8)


def test_a_review_that_was_stopped_says_up_to_where_it_came():
    """Page and PGN looked finished."""
    reach = "The review was stopped at ply 2 of 2, before a move was judged."
    reviewed = stopped_before_marks()
    assert reach in add_comments(reviewed).comment
    assert reach in section_of(reviewed)
    assert [move.mark for move in reviewed.moves] == [None, None]


def test_a_review_that_was_stopped_has_no_accuracy():
    reviewed = stopped_before_marks()
    assert reviewed.accuracy(chess.BLACK) is None
    assert reviewed.summary(chess.WHITE) == "not reviewed to the end"
    assert reviewed.rating_played(chess.WHITE) == ""


def test_a_review_that_was_stopped_says_from_where_on_moves_are_judged():
    """1...a6 is judged; the other good moves than 1. a3 are looked for last."""
    game, script = quiet_game(0.4, 0.8)
    looks = 0

    def is_last(board, limits):
        nonlocal looks
        looks += board.fen() == game.board().fen()
        return looks == 3

    reach = "The review was stopped: only the moves from 1... a6 on are judged."
    assert stopped(game, script, is_last).reach == reach


def test_progress_goes_to_its_end_and_never_back():
    """It stood at a half while most of the searches were made."""
    game = read(RETI)
    shares = []

    def on_ply(done, total):
        shares.append(done / total)

    review_game(ScriptedEngine({}), game, Limits(nodes=1), on_ply)
    searched = game.end().ply() + 1
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert shares[searched - 1] <= 0.2, "after the first look at each position"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (0.8, "Turning point: 1. a3??; winning chances drop from 63% to 20%."),
        (-0.4, ""),
    ],
)
def test_the_turning_point_stands_at_the_head(answer, sentence):
    game, script = quiet_game(0.4, answer)
    script[epd(game, "e1e2")] = {"a7a6": -0.4}
    reviewed = review(game, ScriptedEngine(script))
    assert turning_sentence(reviewed) == sentence
    assert sentence in section_of(reviewed)


def test_game_without_moves_is_reviewed():
    reviewed = review(read('[White "A"]\n\n*\n'), ScriptedEngine({}))
    assert not reviewed.moves
    assert reviewed.summary(chess.WHITE) == "no moves"
    assert "A" in section_of(reviewed)


def test_comments_keep_what_was_there():
    game = read("{first} 1. e4 {mine} 1... a6 $1 (1... e5) 2. g4 *")
    engine = ScriptedEngine(
        script_for(game, [{"e2e4": 0.1}, {"e7e5": 0.0}, {"d2d4": 0.6}, {"e7e5": 0.5}])
    )
    engine.script[board_after("e4 e5").epd()] = {"g1f3": 0.1}
    engine.script[board_after("e4 a6 d4").epd()] = {"e7e5": -0.6}
    again = read(str(add_comments(review(game, engine))))
    assert again.headers["Annotator"].startswith("Aino")
    assert again.comment.startswith("first White: accuracy")
    first = again.next()
    assert first.comment.startswith("mine [%eval")
    second = first.next()
    assert [variation.san() for variation in first.variations] == ["a6", "e5"]
    assert "Blunder: allows 2...e5. Your winning chances drop from" in second.next().comment
    assert [variation.san() for variation in second.variations] == ["g4", "d4"]


@pytest.mark.parametrize(
    ("date", "shown"),
    [("1858.11.??", "1858.11"), ("????.??.??", "Barnes Opening, Fool&#39;s Mate")],
)
def test_page_tells_what_is_known_of_a_date(date, shown):
    game = read(FOOLS_MATE)
    game.headers.update(Event="?", Site="?", Date=date)
    section = section_of(review(game, ScriptedEngine({})))
    assert section.partition('<p class="muted">')[2].strip().startswith(shown)


def test_the_bar_shows_the_line_that_is_on_the_board():
    """It stayed at the played move while the board showed the better one."""
    game, script = quiet_game(0.4, 0.1)
    reviewed = review(game, ScriptedEngine(script))
    step = steps_of(reviewed)[1]
    better, refutation = (step["lines"][name][0] for name in ("Better", "Refutation"))
    assert refutation["expected"] == step["expected"]
    assert refutation["score"] == step["score"]
    assert better["score"] == reviewed.moves[0].before.text
    assert f"drop from {100 * better['expected']:.0f}%" in move_comment(reviewed.moves[0])


def test_a_page_loads_nothing():
    text = render_game_page(
        "game", [game_section(review(read(RETI), ScriptedEngine({})), 1, "")], ""
    )
    assert not re.findall(r"(?:src|href)=\"(?!#|data:,)([^\"]*)\"|url\((?!#)", text)


def test_a_page_escapes_what_comes_from_the_file():
    section = game_section(review(read(FOOLS_MATE), ScriptedEngine({})), 1, "[%eval <b>]")
    text = render_game_page("<i>games</i>", [section], "1 node")
    assert "&lt;b&gt;Fool &amp; Co&lt;/b&gt;" in text
    assert not [words for words in ("<b>Fool", "<i>games", "[%eval <b>]") if words in text]


def test_accuracy_is_told_for_each_phase():
    reviewed = review(read(RETI), ScriptedEngine({}))
    assert reviewed.accuracy(chess.WHITE, "opening") is not None
    assert reviewed.accuracy(chess.WHITE, "endgame") is None
    text = section_of(review(read(QUIET), ScriptedEngine({})))
    assert '<th class="right">Endgame</th>' in text
    assert text.count('<td class="right">–</td>') == 4


def test_a_phase_that_is_over_does_not_come_again():
    boards = [
        chess.Board(),
        chess.Board("r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 1"),
        chess.Board("2r2rk1/pp1q1ppp/2n5/8/8/2N5/PP1Q1PPP/2R2RK1 w - - 0 1"),
        chess.Board("6k1/pp3ppp/8/8/8/8/PP3PPP/2R3K1 w - - 0 1"),
    ]
    assert phases([*boards, boards[2]]) == "opening opening middlegame endgame endgame".split()


def test_other_moves_that_lose_little_are_good_too():
    """Only the move that Aino prefers counted as an answer."""
    game = read("1. h4 *")
    values = {"d2d4": 0.5, "g1f3": 0.46, "c2c4": 0.46, "a2a3": 0.3, "h2h4": -0.6}
    deeper = {epd(game): {**values, "c2c4": 0.1}}  # which looks good, and is not
    (move,) = review(game, SecondThoughts(valued(game, values), deeper)).moves
    assert [good.uci() for good in move.also_good] == ["g1f3"]


@pytest.mark.parametrize(("moves", "mistakes"), [(14, 5), (40, 2), (40, 0)])
def test_a_rating_needs_enough_moves_with_mistakes(moves, mistakes):
    assert rating_played(100.0, moves, mistakes) == ""


@pytest.mark.parametrize(
    ("accuracy", "band"), [(60.0, "500 – 1200"), (80.0, "800 – 1800"), (100.0, "2300 – 2800")]
)
def test_a_rating_is_a_band(accuracy, band):
    """It was a number with its spread, which people read as the number."""
    assert rating_played(accuracy, 30, 3) == band
