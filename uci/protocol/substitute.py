"""What searches where the chosen engine cannot: material, which needs no network and the fewest kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.options import EngineOptions
from uci.loading.loader import EngineFactory
from uci.protocol.writer import Writer

if TYPE_CHECKING:
    import chess

    from engine.player import Engine
    from engine.search.job import SearchJob
    from engine.search.limits import Limits
    from engine.search.result import OnInfo, SearchResult

HASH_MIB = 16


class Substitute:
    """An engine that is made when it is first needed, and kept."""

    def __init__(self, factory: EngineFactory, writer: Writer) -> None:
        self._factory = factory
        self._writer = writer
        self._engine: Engine | None = None

    def search(
        self, board: chess.Board, options: EngineOptions, limits: Limits, on_info: OnInfo, job: SearchJob[Any]
    ) -> SearchResult:
        """Search by material, with what else the options say about a search. Raises whatever fails here, too."""
        self._writer.info("searching by material instead")
        chosen = _by_material(options)
        if self._engine is None:
            self._engine = self._factory(chosen)
            self._engine.on_wait = lambda progress: self._writer.info(str(progress))  # type: ignore[attr-defined]
        elif self._engine.options != chosen:
            self._engine.set_options(chosen)
        self._engine.set_position(board)
        return self._engine.search(limits, on_info, job)

    def new_game(self) -> None:
        if self._engine is not None:
            self._engine.new_game()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def _by_material(options: EngineOptions) -> EngineOptions:
    usual = EngineOptions()
    fewest = {name: getattr(usual, name) for name in ("weights_file", "backend", "own_book", "syzygy_path")}
    return replace(
        options, evaluator="material", hash_mib=min(HASH_MIB, options.hash_mib), threads=1, tactical_nodes=0.0, **fewest
    )
