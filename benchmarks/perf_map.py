"""Run a command of `aino`, and tell `perf` the names of the kernels that it used.

    perf record -k 1 -g python -m benchmarks.perf_map analyse startpos --nodes 100000
    perf report --sort symbol

perf reads the names from `/tmp/perf-PID.map`: `engine.search.tree.puct.select_edge (run_visits)` is
what the compiler kept apart of that callee of the kernel `run_visits`. Only kernels from the cache
have names, so run the command twice after a change. Numba's own option, NUMBA_ENABLE_PROFILING,
gives perf no names. Linux alone; needs `nm` (binutils).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core.codegen import JITCodeLibrary

import uci.main


def keep_code(kept: list[tuple[Any, bytes]]) -> None:
    """Have Numba put every library that it loads from a cache into `kept`, with its machine
    code.
    """
    load = JITCodeLibrary._unserialize.__func__

    def load_and_keep(cls: type, codegen: Any, state: Any) -> Any:
        library = load(cls, codegen, state)
        if state[1] == "object":
            kept.append((library, state[2][0]))
        return library

    JITCodeLibrary._unserialize = classmethod(load_and_keep)


def symbols(code: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset and size of the functions in an object file."""
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(code)
        file.flush()
        listed = subprocess.run(
            ["nm", "-S", file.name], capture_output=True, text=True, check=True
        ).stdout
    for words in map(str.split, listed.splitlines()):
        if len(words) == 4 and words[2] in "tTwW":
            yield words[3], int(words[0], 16), int(words[1], 16)


def readable(symbol: str) -> str:
    """Return the dotted name in one of Numba's symbols: `engine.board.see` of
    `part._ZN6engine5board3seeB2v1...`.
    """
    names = []
    rest = symbol.partition("_ZN")[2]
    while found := re.match(r"\d+", rest):
        end = found.end() + int(found[0])
        names.append(rest[found.end() : end])
        rest = rest[end:]
    return ".".join(names) or symbol


def map_lines(kept: list[tuple[Any, bytes]]) -> Iterator[str]:
    """Yield a line for each function: address, size and name, as perf wants them."""
    for library, code in kept:
        known = list(symbols(code))
        places = ((library.get_pointer_to_function(symbol), offset) for symbol, offset, _ in known)
        base = next((address - offset for address, offset in places if address), None)
        if base is not None:
            yield from (
                f"{base + offset:x} {size:x} {readable(symbol)} ({library.name})"
                for symbol, offset, size in known
            )


def main(words: list[str]) -> int:
    """Run the command and write the map; return the command's exit status."""
    kept: list[tuple[Any, bytes]] = []
    keep_code(kept)
    status = uci.main.main(words)
    Path(f"/tmp/perf-{os.getpid()}.map").write_text(
        "\n".join(map_lines(kept)) + "\n", encoding="ascii"
    )
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
