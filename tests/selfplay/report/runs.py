"""Runs whose games, losses and gates are known, as a report finds them."""

import json
from dataclasses import asdict, replace

import chess

from engine.board.convert import encode_move
from selfplay.matches.statistics import score_from_elo
from selfplay.records.endings import Ending
from selfplay.report.run_numbers import read_run
from selfplay.run.config import config_text
from selfplay.run.folder import RunFolder
from selfplay.run.generating import summarise
from selfplay.run.ledger import GateResult, Phase, ledger_row
from tests.selfplay.run.crews import TINY, record_of
from tests.selfplay.segments import write_segment

LOST = (0.0, 0.0, 1.0)
EVEN = (0.0, 1.0, 0.0)
WON = (1.0, 0.0, 0.0)


def game_of(sans, points=0, ending=Ending.MATERIAL, values=None, **more):
    """A game of these moves; `values` are the root's win, draw and loss for the side to move."""
    board = chess.Board()
    codes = []
    for san in sans.split():
        move = board.parse_san(san)
        codes.append(encode_move(board, move))
        board.push(move)
    return record_of(
        codes, values or [EVEN] * len(codes), white_points=points, ending=ending, **more
    )


FOOLS_MATE = "f3 e5 g4 Qh4#"


SHUFFLE = "Nf3 Nf6 Ng1 Ng8 Nf3 Nf6 Ng1 Ng8"


GAMES = [
    replace(
        game_of(FOOLS_MATE, -1, Ending.CHECKMATE, [LOST, WON, LOST, WON]),
        played_through=True,
        gave_up=1,
    ),
    replace(game_of(SHUFFLE, 0, Ending.REPETITION, number=1), played_through=True, gave_up=-1),
    game_of("e4 e5 Qh5 Ke7", 1, Ending.RESIGNATION, [EVEN, EVEN, WON, LOST], number=2),
    game_of("e4 c5", 0, Ending.LENGTH, number=3),
]


def gate_result(elo, accepted=True):
    return GateResult(
        accepted, True, (0, 0, 2, 6, 2), 3.0, score_from_elo(elo), elo, elo - 40, elo + 40
    )


def run_with(path, gates):
    """A run whose generations had the same games and these gates; one more is to be played."""
    run = RunFolder(path, TINY)
    for number, result in enumerate(gates, 1):
        run.ledger.begin_generation(number, config_text(run.config))
        games = (
            [game_of("e4 e5", number=i, generation=number) for i in range(2)]
            if number > 1
            else GAMES
        )
        write_segment(run.replay, number, games)
        run.ledger.note_games(number, [ledger_row(game) for game in games])
        run.ledger.note_self_play(number, asdict(summarise(games, run.config.games)))
        for step in (10, 20):
            run.ledger.note_losses(number, step, "train", {"policy": 3.0 - step / 20, "value": 1.0})
        run.ledger.note_losses(number, 20, "after", {"policy": 2.0, "value": 0.9, "top1": 0.3})
        run.ledger.note_gate(number, result)
        run.ledger.enter_phase(number, Phase.DONE)
    run.ledger.begin_generation(len(gates) + 1, config_text(run.config))
    return run


def numbers_with(path, gates):
    """What is read of such a run."""
    run_with(path, gates).close()
    return read_run(path)


def write_pretraining(tmp_path):
    """The folder of a supervised run of 60 steps with one held-out scoring, killed while it wrote."""
    tmp_path.mkdir(exist_ok=True)
    config = json.dumps({"net": "64x6", "minutes": 3.0, "positions": 0})
    # as Notepad of Windows saves it
    (tmp_path / "config.json").write_text(config, encoding="utf-8-sig")
    losses = {"policy": 3.0, "value": 0.9, "moves_left": 0.1}
    text = ""
    for step, scores in ((20, None), (40, None), (60, {**losses, "top1": 0.31})):
        row = {"step": step, "elapsed_s": 2.0 * step, "progress": step / 90, "losses": losses}
        row |= {"positions": 256 * step, "positions_per_s": 128.0, "scores": scores}
        text += json.dumps(row) + "\n"
    (tmp_path / "log.jsonl").write_text(text + '{"step": 8')
