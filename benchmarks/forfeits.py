"""Count time forfeits, illegal moves and crashes in games at a very fast clock. There must be none.

    python -m benchmarks.forfeits --games 150 --tc 1+0.01 --out forfeits

Plays two matches of `--games` games with `aino-train match`: Aino against itself, and against
Stockfish if it is installed (at its weakest setting, so that games last). The same command resumes
a stopped run. The exit status is 1 if Aino committed any fault.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import new_parser, report

FAULTS = ("time forfeit", "no answer", "illegal move", "crash", "disconnect")
AINO = "aino"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(
        __doc__,
        games=(150, "play this many games in each match, an even number"),
        tc="1+0.01",
        margin_ms=(20.0, "let a clock be overstepped by this many milliseconds"),
        evaluator="auto",
        threads=1,
        concurrency=1,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if options.games < 2 or options.games % 2:
        parser.error(
            f"--games: expected an even number (pairs with colours swapped), got {options.games}"
        )
    settings = (
        f"option.Threads={options.threads} option.Evaluator={options.evaluator} option.Hash=64"
    )
    opponents = {"itself": f'name=other cmd="{AINO}" {settings}'}
    if stockfish := shutil.which("stockfish") or shutil.which("stockfish", path="/usr/games"):
        opponents["stockfish"] = (
            f'name=stockfish cmd="{stockfish}" option.Threads=1 option.UCI_LimitStrength=true option.UCI_Elo=1350'
        )
    rows = []
    for opponent, description in opponents.items():
        folder = options.out / opponent
        command = [
            sys.executable,
            "-m",
            "selfplay",
            "match",
            "--out",
            str(folder),
            "--tc",
            options.tc,
        ]
        command += ["--first", f'name={AINO} cmd="{AINO}" {settings}', "--second", description]
        command += ["--games", str(options.games), "--margin-ms", str(options.margin_ms)]
        command += ["--concurrency", str(options.concurrency)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        rows.append(summary(opponent, folder, options.tc))
    report(rows, options.json)
    return 0 if all(row["faults of Aino"] == 0 for row in rows) else 1


def summary(opponent: str, folder: Path, control: str) -> dict[str, object]:
    """One row about a match: faults by kind, and the longest thinking times."""
    games: list[dict[str, Any]] = [
        json.loads(line) for line in (folder / "games.jsonl").read_text().splitlines()
    ]
    mine = (AINO, "other")
    faults = Counter(game["reason"] for game in games if game["offender"] in mine)
    slowest = [
        ms
        for game in games
        for name, ms in zip((game["white"], game["black"]), game["slowest_ms"], strict=True)
        if name in mine
    ]
    return {
        "against": opponent,
        "clock": control,
        "games": len(games),
        "moves of Aino": sum(len(game["uci"].split()) for game in games)
        // (1 if opponent == "itself" else 2),
        **{kind: faults[kind] for kind in FAULTS},
        "faults of Aino": sum(faults.values()),
        "faults of the other": sum(
            bool(game["offender"]) and game["offender"] not in mine for game in games
        ),
        "longest think, ms": max(slowest),
        "endings": ", ".join(
            f"{reason} {n}" for reason, n in Counter(game["reason"] for game in games).items()
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
