"""What the commands for people share: names of openings, limits of a search, verdicts."""

import argparse

import chess
import pytest

from engine.errors import ConfigError
from engine.search.limits import Limits
from engine.search.result import RootMove
from tests.boards import board_after
from uci.terminal.limit_flags import add_limit_flags, limits_from_flags
from uci.terminal.opening_names import opening_name, position_name, read_table
from uci.terminal.verdict import Verdict


def test_openings_are_legal_and_found_by_position_and_kept_after_it() -> None:
    table = list(read_table())
    assert len(table) > 250
    assert all(board.move_stack and name.strip() for board, name in table)
    names: dict[str, str] = {}
    for board, name in table:
        assert names.setdefault(board.epd(), name) == name
    transposed = board_after("Nf3 d5 d4 Nf6 c4 e6 Nc3 Be7")
    assert opening_name(transposed) == "Queen's Gambit Declined, Three Knights Variation"
    assert not position_name(transposed)
    assert opening_name(board_after("e4 c5")) == "Sicilian Defence"
    assert position_name(board_after("e4 c5")) == "Sicilian Defence"
    assert opening_name(chess.Board()) == ""
    assert opening_name(chess.Board("4k3/8/8/8/8/8/8/4K3 w - - 0 1")) == ""


def limits(*words: str) -> Limits:
    parser = argparse.ArgumentParser()
    add_limit_flags(parser, "one node", with_infinite=True)
    return limits_from_flags(parser.parse_args(words), Limits(nodes=1))


def test_limits_are_those_given_or_the_default() -> None:
    assert limits() == Limits(nodes=1)
    assert limits("--nodes", "5") == Limits(nodes=5)
    assert limits("--movetime", "0.5") == Limits(movetime_ms=500)
    assert limits("--depth", "4") == Limits(depth=4)
    assert limits("--infinite") == Limits(infinite=True)


@pytest.mark.parametrize("words", [("--nodes", "0"), ("--movetime", "nan"), ("--depth", "-1"), ("--movetime", "1e9")])
def test_limits_out_of_range_are_refused(words: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"{words[0]}: bad value"):
        limits(*words)


def test_verdicts_are_turned_for_white_and_bounded_and_a_mate_is_certain() -> None:
    verdict = Verdict(-34, None, (250, 300, 450))
    assert verdict.seen_by_white(chess.WHITE) is verdict
    assert verdict.seen_by_white(chess.BLACK) == Verdict(34, None, (450, 300, 250))
    assert (verdict.text, verdict.expected, verdict.wdl_text) == ("-0.34", 0.4, "25% win, 30% draw, 45% loss")
    assert [Verdict(cp, None, (0, 0, 1000)).text for cp in (9876, -20_000, 1499)] == ["+15.00", "-15.00", "+14.99"]
    child = RootMove(chess.Move.from_uci("e2e4"), visits=9, prior=0.1, q=0.2, draw=0.5, mate=3)
    assert Verdict.of_move(child).expected == 1.0
    assert Verdict.of_move(child).text == "#3"
    assert Verdict.of_move(child).reversed().text == "#-3"


@pytest.mark.parametrize(("result", "expected", "text"), [("1-0", 1, "#"), ("0-1", 0, "#"), ("1/2-1/2", 0.5, "+0.00")])
def test_finished_games_have_verdicts(result: str, expected: float, text: str) -> None:
    verdict = Verdict.of_result(result)
    assert (verdict.expected, verdict.text) == (expected, text)
