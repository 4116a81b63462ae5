"""Data that the self-play tests make themselves: random games in the formats of the readers."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import chess
import numpy as np
import pytest

from selfplay.data.teacher import parse_teacher_line
from selfplay.records.collect import collect
from selfplay.records.positions import PositionSet
from tests.boards import random_game


def teacher_line(rng: np.random.Generator, plies: int) -> str:
    """A random game labelled by a teacher that likes captures."""
    game = random_game(rng, plies)
    board, labels = game.root(), []
    for played in game.move_stack:
        likes = {move: 100 * board.is_capture(move) - 3 * order for order, move in enumerate(board.legal_moves)}
        best = sorted(likes, key=lambda move: -likes[move])[:5]
        text = ",".join(f"{move.uci()}={likes[move]}" for move in best)
        labels.append(f"{played.uci()}:{text}")
        board.push(played)
    return f"{chess.STARTING_FEN}|{('1-0', '0-1', '1/2-1/2')[rng.integers(3)]}|{';'.join(labels)}"


@pytest.fixture(scope="session")
def teacher_lines() -> list[str]:
    """Twelve labelled games of up to 40 plies."""
    rng = np.random.default_rng(5)
    return [teacher_line(rng, 40) for _ in range(12)]


@pytest.fixture
def teacher_file(tmp_path: Path, teacher_lines: list[str]) -> Path:
    """The labelled games as a file."""
    path = tmp_path / "part1.txt"
    path.write_text("\n".join(teacher_lines) + "\n", encoding="ascii")
    return path


@pytest.fixture(scope="session")
def positions(teacher_lines: list[str]) -> PositionSet:
    """The labelled games as a set."""
    packed, illegal = collect(parse_teacher_line(line) for line in teacher_lines)
    assert illegal == 0
    return packed


def games_of(positions: PositionSet, first: int, last: int) -> PositionSet:
    """The games first..last-1 of a set."""
    numbers = np.arange(positions.n_games)
    return positions.select((numbers >= first) & (numbers < last))


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may open no more than 40 files beside those it holds."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as free:  # numbers in use may lie anywhere, so the highest of 40 free ones counts
        limit = max(free.enter_context(open(os.devnull)).fileno() for _ in range(40)) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def aino_train(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs an `aino-train` command that must succeed; returns what it printed. Games are played in this process."""
    from selfplay.main import main

    def call(*words: object, status: int = 0) -> str:
        flags = ["--workers=1"] if words[0] in ("generate", "gate", "loop") else []
        assert main([*(str(word) for word in words), *flags]) == status
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.out + captured.err

    return call
