"""Converts the two forms of games that earlier versions trained on: `python -m benchmarks.convert_games FROM TO`.

Engine games (JSON lines with `uci`, `ev`, `result` and perhaps `fen`) become text labels: `ev[i]` is in centipawns from
White's side before move i (mate +-(32000 - n), null if unknown). Human games (tab-separated, with a header naming
columns `result` and `uci`, and perhaps `welo` and `belo`) become PGN. Both may be packed (.gz, .bz2, .xz, .zst); TO is
packed if its name ends in .xz.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import chess

from engine.board.fen import parse_fen
from engine.cli.live_lines import show
from engine.errors import FenError
from selfplay.data.text_files import numbered_lines


def labelled_game(line: str) -> str:
    """A line of text labels (`selfplay/data/teacher.py`); "" for a game without evaluations or to play from nowhere."""
    game = json.loads(line)
    fen = game.get("fen", chess.STARTING_FEN)
    try:
        sign = 1 if parse_fen(fen, chess960=True).turn else -1
    except FenError:
        return ""
    plies = []
    for number, (move, score) in enumerate(zip(game["uci"].split(), game["ev"], strict=True)):
        plies.append(move if score is None else f"{move}:{move}={round(score) * (-sign if number % 2 else sign)}")
    return f"{fen}|{game['result']}|{';'.join(plies)}\n" if ":" in "".join(plies) else ""


def pgn_game(line: str, columns: list[str]) -> str:
    """A game in PGN from a line of a human collection."""
    cells = dict(zip(columns, line.split("\t"), strict=False))
    moves = [chess.Move.from_uci(move) for move in cells["uci"].split()]
    elo = {"WhiteElo": cells.get("welo"), "BlackElo": cells.get("belo")}
    tags = {"Result": cells["result"], **{name: value for name, value in elo.items() if value}}
    text = "".join(f'[{name} "{value}"]\n' for name, value in tags.items())
    return f"{text}\n{chess.Board().variation_san(moves)} {cells['result']}\n\n"


def converted(path: Path) -> Iterator[str]:
    """The games of either form."""
    lines = (line for _, line in numbered_lines(path))
    first = next(lines, "")
    if first.startswith("{"):
        yield from filter(None, map(labelled_game, chain([first], lines)))
    else:
        yield from (pgn_game(line, first.split("\t")) for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("target", type=Path, metavar="TO")
    arguments = parser.parse_args()
    with lzma.open(arguments.target, "wt") if arguments.target.suffix == ".xz" else open(arguments.target, "w") as out:
        count = sum(out.write(text) > 0 for text in converted(arguments.source))
    show(f"{arguments.target}: {count:,} games")


if __name__ == "__main__":
    main()
