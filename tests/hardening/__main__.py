"""Run every long check of the program, one after another, and print a table of the results.

    python -m tests.hardening                                  hours: the full counts
    python -m tests.hardening --quick                          minutes: the same with small counts
    python -m tests.hardening --only fuzz-pgn forfeits --json results.json

Each check is a process of its own. Its output goes to `--logs`; a check passes when its exit status is 0. The exit
status is 1 if one failed.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import report
from tests.hardening.checks import Check, checks
from tests.protocol.aino_process import ROOT


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.hardening", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run only these checks")
    parser.add_argument("--quick", action="store_true", help="run with small counts")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="write logs here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to this file, too")
    parser.add_argument("--list", action="store_true", help="name the checks and their counts")
    options = parser.parse_args(arguments)
    logs = options.logs or Path(tempfile.mkdtemp(prefix="aino-hardening-"))
    logs.mkdir(parents=True, exist_ok=True)
    known = {check.name: check for check in checks(options.quick, options.seed, logs)}
    if unknown := set(options.only or ()) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if options.list:
        report(
            [{"check": check.name, "count": check.count, "of": check.unit} for check in known.values()], as_json=False
        )
        return 0
    rows = []
    for name in options.only or known:
        print(f"{name}: {known[name].count:,} {known[name].unit} ...", file=sys.stderr, flush=True)
        rows.append(run(known[name], logs))
        if options.json:
            options.json.write_text(json.dumps(rows, indent=2))
    report(rows, as_json=False)
    print(f"logs: {logs}")
    return 0 if all(row["result"] == "good" for row in rows) else 1


def run(check: Check, logs: Path) -> dict[str, object]:
    """One row: what was done, and what came of it."""
    log, begun = logs / f"{check.name}.log", time.monotonic()
    with log.open("w") as stream:
        status = subprocess.run(check.command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, env=check.environment)
    text = log.read_text(errors="replace")
    tests = re.search(r"(\d+) passed", text) if check.unit == "tests" else None
    return {
        "check": check.name,
        "count": int(tests[1]) if tests else check.count,
        "of": check.unit,
        "seconds": round(time.monotonic() - begun),
        "result": "good" if status.returncode == 0 else f"exit status {status.returncode}, see {log.name}",
    }


if __name__ == "__main__":
    sys.exit(main())
