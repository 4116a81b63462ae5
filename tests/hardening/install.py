"""Installs Aino in every way that people do, and starts it: Python 3.11 to 3.14, wheel and sdist, pip and uv.

    python -m tests.hardening.install --json matrix.json

Each row is a new environment with an empty kernel cache: `pip check`, a few moves over UCI, `aino bench --only board`,
start times. Rows called lowest have the oldest versions that pyproject.toml allows. An interpreter that
is neither installed nor can be fetched by uv is left out with a message. The exit status is 1 if a row failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import chess

from benchmarks.measuring import report
from tests.protocol.aino_process import ROOT, EngineProcess

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ROWS = (("wheel", "pip", False), ("sdist", "uv", False), ("wheel", "uv", True))  # artifact, installer, lowest versions
SOURCE_ONLY = "chess"  # has no wheels; all others must not be built here
PLIES = 6  # of the game over UCI
COMMAND_S = 600


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS), metavar="VERSION")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file, too")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uv = find_uv(folder)
        artifacts = build(uv, folder)
        for version in options.pythons:
            python = find_python(uv, version)
            if python is None:
                print(f"Python {version} is not here and cannot be fetched: left out")
                continue
            for artifact, installer, lowest in ROWS:
                place = folder / f"{version}-{artifact}-{installer}-{lowest}"
                rows.append(one_row(place, uv, python, version, artifacts[artifact], installer, lowest))
                report(rows[-1:], as_json=False)
                shutil.rmtree(place, ignore_errors=True)
    report(rows, as_json=False)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    return 0 if rows and all(row["result"] == "good" for row in rows) else 1


# ---- tools ----------------------------------------------------------------------------------------------------------


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """What a command printed on stdout. Raises CalledProcessError."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, timeout=COMMAND_S
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} {' '.join(map(str, command[1:4]))}: {done.stderr.strip()[-600:]}")
    return done.stdout


def find_uv(folder: Path) -> Path:
    """uv: the one that is installed, else one from PyPI."""
    if found := shutil.which("uv"):
        return Path(found)
    run(sys.executable, "-m", "venv", folder / "tools", folder=folder)
    run(folder / "tools/bin/pip", "install", "--quiet", "uv", folder=folder)
    return folder / "tools/bin/uv"


def find_python(uv: Path, version: str) -> Path | None:
    """An interpreter of that version that starts: on the path, pyenv's, uv's, else one that uv fetches."""
    homes = (Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python")
    candidates = [*([Path(found)] if (found := shutil.which(f"python{version}")) else []), *sorted(homes)]
    for candidate in candidates:
        if _starts(candidate, version):
            return candidate
    for action in ("find", "install", "find"):
        done = subprocess.run([uv, "python", action, version], capture_output=True, text=True, check=False)
        if action == "find" and done.returncode == 0 and _starts(found_path := Path(done.stdout.strip()), version):
            return found_path
    return None


def _starts(python: Path, version: str) -> bool:
    program = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def build(uv: Path, folder: Path) -> dict[str, Path]:
    """Wheel and sdist of a copy of the working tree."""
    copy = folder / "copy"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in listed.strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    run(uv, "build", "--quiet", "--out-dir", folder / "dist", folder=copy)
    return {"wheel": next(folder.glob("dist/*.whl")), "sdist": next(folder.glob("dist/*.tar.gz"))}


# ---- one environment ------------------------------------------------------------------------------------------------


def one_row(
    place: Path, uv: Path, python: Path, version: str, artifact: Path, installer: str, lowest: bool
) -> dict[str, object]:
    """Installs and tries one environment; `result` is "good" or what went wrong."""
    kind = "wheel" if artifact.suffix == ".whl" else "sdist"
    row: dict[str, object] = {"python": version, "artifact": kind, "installer": installer, "lowest": lowest}
    row |= dict.fromkeys(("install s", "first ready s", "uciok s"), 0.0)
    row |= {"numpy": "", "numba": "", "result": "good"}
    try:
        begun = time.monotonic()
        install(place, uv, python, artifact, installer, lowest)
        row["install s"] = time.monotonic() - begun
        row |= installed_versions(place)
        row |= try_out(place)
    except (RuntimeError, AssertionError, subprocess.TimeoutExpired) as error:
        row["result"] = f"{type(error).__name__}: {' '.join(str(error).split())[-300:]}"
    return row


def install(place: Path, uv: Path, python: Path, artifact: Path, installer: str, lowest: bool) -> None:
    """A new environment with Aino in it and nothing else, checked for conflicts."""
    place.mkdir()
    own = place / "venv/bin/python"
    if installer == "pip":
        run(python, "-m", "venv", place / "venv", folder=place)
        run(own, "-m", "pip", "install", "--quiet", artifact, folder=place)
        run(own, "-m", "pip", "check", folder=place)
        return
    run(uv, "venv", "--quiet", "--python", python, place / "venv", folder=place)
    flags: list[str | Path] = ["--constraint", lowest_versions(place, uv, own)] if lowest else []
    run(uv, "pip", "install", "--quiet", "--python", own, *flags, artifact, folder=place)
    run(uv, "pip", "check", "--quiet", "--python", own, folder=place)


def lowest_versions(place: Path, uv: Path, python: Path) -> Path:
    """A file with the oldest versions of the direct dependencies that have wheels for this Python."""
    found = place / "lowest.txt"
    flags = ("--quiet", "--resolution", "lowest-direct", "--only-binary", ":all:", "--no-binary", SOURCE_ONLY)
    run(uv, "pip", "compile", *flags, "--python", python, ROOT / "pyproject.toml", "--output-file", found, folder=place)
    return found


def installed_versions(place: Path) -> dict[str, object]:
    program = "from importlib.metadata import version; print(version('numpy'), version('numba'))"
    return dict(
        zip(("numpy", "numba"), run(place / "venv/bin/python", "-c", program, folder=place).split(), strict=True)
    )


def try_out(place: Path) -> dict[str, object]:
    """Start times, a game and the bench; the kernel cache is empty at the start."""
    cache = {"AINO_CACHE_DIR": str(place / "cache"), "XDG_CACHE_HOME": str(place / "cache"), "HOME": str(place)}
    aino = place / "venv/bin/aino"
    times = {"first ready s": play(aino, cache)[1], "uciok s": play(aino, cache)[0]}
    bench = run(aino, "bench", "--only", "board", folder=place, **cache)
    assert "perft" in bench, bench
    return dict(times)


def play(aino: Path, environment: dict[str, str]) -> tuple[float, float]:
    """A few moves against itself; seconds to `uciok` and to `readyok`."""
    begun = time.monotonic()
    with EngineProcess([str(aino), "--config", os.devnull], environment) as engine:
        engine.send("uci")
        engine.read_until("uciok")
        to_uciok = time.monotonic() - begun
        engine.send("isready")
        engine.read_until("readyok", COMMAND_S)
        to_ready = time.monotonic() - begun
        board = chess.Board()
        for _ in range(PLIES):
            lines = engine.go(f"fen {board.fen()}", "nodes 200")
            board.push_uci(lines[-1].split()[1])
        engine.send("quit")
        status, errors = engine.finish()
        assert (status, errors) == (0, ""), errors
    return to_uciok, to_ready


if __name__ == "__main__":
    sys.exit(main())
