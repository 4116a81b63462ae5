"""Tiny runs, a tiny generation for the tests of workers, and what the games of it must be."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.files.dit_file import load_tensors
from engine.nn import dit
from selfplay.families.by_name import family_of
from selfplay.games.game_settings import GameSettings
from selfplay.matches.opening_book import OpeningRows, load_openings
from selfplay.records.endings import Ending
from selfplay.records.game import SelfPlayRecord, encode_record
from selfplay.records.replay import published_games
from selfplay.run.folder import RunFolder
from selfplay.run.phase_games import GenerationTask, play_numbers, usual_start
from selfplay.run.phases import run_generations

NUMBERS = range(10)  # of games to play
SECTIONS = {
    "games": {"count": 6, "concurrent": 2, "visits": 4, "longest": 24, "resign_below": -1.0},
    "fit": {"positions": 256, "batch_size": 32, "shard_size": 16, "heldout_share": 0.2},
    "gate": {"pairs": 2, "visits": 4, "longest": 24},
}
TINY = {"net": "16x1", **SECTIONS}


def flags_of(sections):
    """The flags of settings by their section."""
    return [
        f"--{section}.{name}={value}"
        for section, settings in sections.items()
        for name, value in settings.items()
    ]


TINY_FLAGS = flags_of(SECTIONS)


def open_run(path):
    run = RunFolder(path, TINY)
    run.ensure_first_network()
    return run


def finish_generation(run, until=None):
    """Work on the first generation to its end, or until a phase is due."""
    assert run_generations(run, 1, never, until=until)


def record_of(codes, wdl, **values):
    """A game of these encoded moves with root values wdl [n, 3], drawn unless `values` say
    otherwise.
    """
    moves = np.array(codes, np.uint16)
    n = len(codes)
    game = SelfPlayRecord(
        generation=1, number=0, white_points=0, ending=Ending.MATERIAL, start=usual_start(),
        moves=moves, full=np.ones(n, np.bool_), root_wdl=np.array(wdl, np.float16).reshape(-1, 3),
        target_counts=np.ones(n, np.uint8), target_moves=moves, target_visits=np.ones(n, np.uint16),
    )  # fmt: skip
    return replace(game, **values)


def never():
    return False


def stored_games(run, generation=1):
    """The replay bytes of a published generation's games, by number."""
    return {
        game.number: encode_record(game) for game in published_games(run / "replay", generation)
    }


def weights_of(path):
    """What a network file holds, to be compared."""
    return {name: array.tobytes() for name, array in load_tensors(path)[1].items()}


def assert_same_generation(run, straight):
    """Games, candidate and verdict of the first generation are those of the run to which nothing
    happened.
    """
    assert stored_games(run.path) == stored_games(straight.path)
    assert weights_of(run.candidate(1)) == weights_of(straight.candidate(1))
    assert run.ledger.gate_points(1) == straight.ledger.gate_points(1)
    assert run.ledger.gates().get(1) == straight.ledger.gates().get(1)


def network_file(path, net, seed=1):
    """A file with a random network."""
    dit.save(path, family_of(net).build(np.random.default_rng(seed)))
    return path


def tiny_task(folder, net="16x1", visits=8, longest=40):
    """Games of a random network, short enough for a test."""
    path = network_file(folder / f"{net}.dit", net)
    settings = GameSettings(
        concurrent=4, visits=visits, fast_visits=4, longest=longest, resign_below=-1.0
    )
    openings = OpeningRows(load_openings())
    return GenerationTask(3, 1, settings, (path,), openings)


def games_of(play, task, numbers):
    """The replay bytes of games by number; each must come once."""
    games = {}

    def finish(record):
        assert record.number not in games
        games[record.number] = encode_record(record)

    play(task, numbers, finish, never)
    return games


def games_here(task, numbers):
    """What this process plays."""
    return games_of(play_numbers, task, numbers)


PARENT, SESSION = 1, 3  # places in /proc/PID/stat, behind the name


def processes(place, number, title=b""):
    """Living processes with this number in a place, whose command line begins with `title`."""
    numbers = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            facts = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes()
        except OSError:  # ended meanwhile
            continue
        if int(facts[place]) == number and facts[0] not in "ZX" and line.startswith(title):
            numbers.append(int(folder.name))
    return numbers
