"""Games written as PGN, read again by python-chess and pgn-extract."""

import io
import os
import re
import shutil
import subprocess

import chess.pgn
import pytest

from engine.board.pgn.game_writer import game_text

PGN_EXTRACT = shutil.which("pgn-extract", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/games")
NAMES = [
    'The "Rocket"',
    "back\\slash",
    'both \\" of them',
    "trailing\\",
    "Müller 王 ♔",
    "two\nlines\r\nand\ta tab\0",
    '"]',
]


def game_of(name: str) -> chess.pgn.Game:
    game = chess.pgn.Game()
    game.headers.update(White=name, Event=name)
    node = game.add_main_variation(chess.Move.from_uci("e2e4"), comment='a } brace, a "quote" \\ and Müller')
    node.add_main_variation(chess.Move.from_uci("e7e5"))
    return game


def unescaped(name: str) -> str:
    return re.sub(r"[\n\r\t\0]", " ", name)


@pytest.mark.parametrize("name", NAMES)
def test_quotes_and_backslashes_in_tags_are_escaped(name: str) -> None:
    text = game_text(game_of(name))
    assert text.endswith("\n\n")
    assert text.splitlines()[4] == '[White "{}"]'.format(unescaped(name).replace("\\", "\\\\").replace('"', '\\"'))
    read = chess.pgn.read_game(io.StringIO(text))
    assert re.sub(r'\\(["\\])', r"\1", read.headers["White"]) == unescaped(name)
    assert [move.uci() for move in read.mainline_moves()] == ["e2e4", "e7e5"]
    assert read.next().comment == 'a ) brace, a "quote" \\ and Müller'


def test_two_games_in_a_row_stay_two_games() -> None:
    stream = io.StringIO("".join(map(game_text, map(game_of, NAMES))))
    count = 0
    while (game := chess.pgn.read_game(stream)) is not None:
        count += 1
        assert not game.errors
        assert len(list(game.mainline_moves())) == 2
    assert count == len(NAMES)


@pytest.mark.skipif(PGN_EXTRACT is None, reason="pgn-extract is not installed")
def test_pgn_extract_reads_every_tag_and_game(tmp_path) -> None:
    path = tmp_path / "games.pgn"
    path.write_text("".join(map(game_text, map(game_of, NAMES))), encoding="utf-8")
    done = subprocess.run([PGN_EXTRACT, "-Wepd", str(path)], capture_output=True, text=True, check=True)
    assert f"{len(NAMES)} games matched out of {len(NAMES)}" in done.stderr
    assert "unterminated" not in done.stderr.lower()


@pytest.mark.parametrize("told", ["0-0", "?", "(null)", "1-0 forfeit"])
def test_a_result_that_is_none_is_not_written_behind_the_moves(told: str) -> None:
    game = game_of("x")
    game.headers["Result"] = told
    text = game_text(game)
    assert f'[Result "{told}"]' in text
    assert text.endswith(" *\n\n")
