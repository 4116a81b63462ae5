"""What UCI lines say, read back."""

from dataclasses import dataclass

_COUNTS = ("depth", "seldepth", "multipv", "nodes", "nps", "hashfull", "tbhits", "time")


@dataclass(frozen=True)
class Scored:
    """A scored `info` line: numbers as their text, and the line of play."""

    score: str  # "cp 13", "mate -2"
    numbers: dict[str, str]  # those that are there
    wdl: tuple[int, ...]  # empty if not there
    pv: list[str]


def scored(lines):
    """The scored `info` lines among others."""
    return [
        _parse(line.split()) for line in lines if line.startswith("info ") and " score " in line
    ]


def _parse(words):
    pv = words[words.index("pv") + 1 :] if "pv" in words else []
    words = words[: len(words) - len(pv)]
    score = words.index("score")
    numbers = {name: words[words.index(name) + 1] for name in _COUNTS if name in words}
    wdl = words[words.index("wdl") + 1 :][:3] if "wdl" in words else []
    return Scored(" ".join(words[score + 1 : score + 3]), numbers, tuple(map(int, wdl)), pv)


def best_move(lines):
    """The move of a search's last line."""
    assert lines[-1].split()[0] == "bestmove", lines[-1]
    return lines[-1].split()[1]


def play_line(board, pv):
    """The board after a line of play. Raises ValueError at an illegal move."""
    board = board.copy()
    for text in pv:
        board.push_uci(text)
    return board
