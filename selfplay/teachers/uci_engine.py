"""A UCI engine that scores the best moves of positions. Parses lines as text, thousands per second."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import chess.engine

from engine.errors import AinoError, ConfigError
from selfplay.matches.contestant import KEPT_LINES, START_TIMEOUT_S, Contestant, ask_engine, close_engine, open_engine
from selfplay.matches.infos import read_info


class EngineDied(AinoError):
    """The engine exited, or was stopped because it did not answer."""


def parse_info(line: str) -> tuple[int, str, int] | None:
    """(rank from 1, move, centipawns from the side to move) of an `info` line; None without exact score and move."""
    info = read_info(line)
    if info is None or info.score_cp is None or not info.move:
        return None
    return info.rank, info.move, info.score_cp


class _Order(chess.engine.BaseCommand[deque[str]]):
    """Lines for the engine, answered by its last lines, up to one that begins with `last`.

    Kept as text: python-chess would play the moves of every line on a board, which takes longer than the search.
    """

    def __init__(self, protocol: chess.engine.Protocol, lines: Sequence[str], last: str) -> None:
        super().__init__(protocol)
        self._lines, self._last = lines, last
        self._answer = deque[str](maxlen=KEPT_LINES)

    def start(self) -> None:
        for line in self._lines:
            self._engine.send_line(line)

    def line_received(self, line: str) -> None:
        self._answer.append(line)
        if line.split(maxsplit=1)[:1] == [self._last]:
            if not self.result.done():  # else it came too late
                self.result.set_result(self._answer)
            self.set_finished()


class UciEngine:
    """A running engine. One thread at a time may use it; `close` ends it.

    Raises ConfigError if the engine does not start or lacks an option, EngineDied if it later exits or does not answer
    in time.
    """

    def __init__(self, contestant: Contestant, multipv: int = 5, nodes: int = 3_000, timeout_s: float = 60.0) -> None:
        self.multipv, self.nodes, self.timeout_s = multipv, nodes, timeout_s
        self._engine = open_engine(contestant)
        self._known = self._engine.protocol.options
        if multipv > 1 and "MultiPV" not in self._known:
            self.close()
            raise ConfigError(f"{contestant.name} has no UCI option 'MultiPV'")

    def new_game(self, chess960: bool) -> None:
        """Tell the engine that positions of a new game follow."""
        wanted = {"MultiPV": str(self.multipv), "UCI_Chess960": str(chess960).lower()}
        lines = [f"setoption name {name} value {wanted[name]}" for name in wanted if name in self._known]
        self._ask([*lines, "ucinewgame", "isready"], "readyok", START_TIMEOUT_S)

    def labels(self, fen: str, moves: Sequence[str]) -> list[tuple[str, int]]:
        """(move, centipawns from the side to move), best first, of the position after `moves`; empty if no legal move.

        Uses the engine's last line of every rank. A move named twice keeps its better rank.
        """
        position = f"position fen {fen}" + (f" moves {' '.join(moves)}" if moves else "")
        lines: dict[int, tuple[str, int]] = {}
        for line in self._ask([position, f"go nodes {self.nodes}"], "bestmove", self.timeout_s):
            if (info := parse_info(line)) is not None:
                lines[info[0]] = info[1:]
        scores: dict[str, int] = {}
        for rank in sorted(lines)[: self.multipv]:
            scores.setdefault(*lines[rank])
        return sorted(scores.items(), key=lambda item: -item[1])

    def close(self) -> None:
        """Quit the engine, or kill it if it does not exit."""
        close_engine(self._engine)

    def _ask(self, lines: Sequence[str], last: str, timeout_s: float) -> deque[str]:
        """Send lines; return the answer up to the line that begins with `last`."""
        try:
            request = self._engine.protocol.communicate(lambda protocol: _Order(protocol, lines, last))
            return ask_engine(self._engine, request, timeout_s)
        except (chess.engine.EngineError, TimeoutError) as error:
            why = str(error) or f"no {last!r} within {timeout_s:g} s"
            raise EngineDied(f"no answer to {lines[-1]!r}: {why}") from error
