"""The run folder: its layout, and the configuration it was created with.

config.toml                 format of the folder, resolved configuration
ledger.sqlite               run database: generations, games, losses, gate results
nets/gen-00000.dit          the first network; gen-NNNNN.dit the candidate of generation N, while
                            `keep_nets` wants it
nets/best.dit               the promoted network
replay/gen-NNNNN.replay     self-play games of generation N
fit/gen-NNNNN.npz           checkpoint of a training, until its candidate goes to the gate
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import get_backend
from engine.errors import ConfigError, RunError
from engine.files.atomic import atomic_write, remove_left_behind, write_file
from engine.nn import dit
from engine.nn.layer import Layer
from selfplay.data.kinds import CHUNKS, PGN, data_files
from selfplay.families.by_name import family_of, net_of_file
from selfplay.families.planes.custom import is_custom
from selfplay.matches.opening_book import OpeningRows, load_openings
from selfplay.records.replay import generation_files, published_generations
from selfplay.run.config import FIXED, RunConfig, config_text, configured, overlay, stored_config
from selfplay.run.ledger import ADVICE, Ledger


def best_net(run: Path) -> Path:
    return run / "nets" / "best.dit"


class RunFolder:
    """An existing or new run. Hold its folder_lock while writing.

    initial: network file from which a new run starts, and which says what kind of network the run
    trains.

    Raises ConfigError for settings out of range or a change of what cannot change, RunError for a
    damaged folder.
    """

    def __init__(self, path: Path, values: dict[str, Any], initial: Path | None = None) -> None:
        self.path = path
        self._initial = initial
        # Generations whose networks are needed longer than `keep_nets` says.
        self.held: set[int] = set()
        stored = path / "config.toml"
        old = stored_config(stored) if stored.is_file() else None
        if initial is not None:
            net = values.get("net")
            if net is None and old is not None and is_custom(old.net):
                net = old.net
            values = {**values, "net": net_of_file(initial, net)}
        if old is None:
            self.config: RunConfig = configured(values)
        else:
            self.config = overlay(old, values)
            for name in FIXED:
                if getattr(old, name) != getattr(self.config, name):
                    raise ConfigError(
                        f"{path}: {name} is {getattr(old, name)!r} in this run and cannot change"
                    )
        self._check_means(is_new=old is None)  # before anything is written, and thus kept
        for folder in (self.nets, self.replay, self.path / "fit"):
            folder.mkdir(parents=True, exist_ok=True)
            remove_left_behind(folder)
        if old != self.config:
            write_file(stored, config_text(self.config))
        ledger = path / "ledger.sqlite"
        if not (ledger.is_file() and ledger.stat().st_size) and published_generations(self.replay):
            raise RunError(f"{ledger} is missing or empty: it says how far the run is. {ADVICE}")
        self.ledger = Ledger(ledger)
        self.ledger.note_run(self.config.net, self.config.seed)

    def close(self) -> None:
        self.ledger.close()

    def _check_means(self, is_new: bool) -> None:
        """Raise what the run would raise later, after hours of games: a missing file, no GPU, a
        class that fails.
        """
        if self.config.openings:
            self.opening_rows()
        if self.config.fit.heldout:
            data_files([Path(self.config.fit.heldout)], PGN, CHUNKS)
        if self.config.fit.backend == "cupy":
            get_backend("cupy")
        if is_new and is_custom(self.config.net):
            self._random_network()

    # ---- networks --------------------------------------------------------------------------------

    @property
    def nets(self) -> Path:
        return self.path / "nets"

    @property
    def best(self) -> Path:
        return best_net(self.path)

    def candidate(self, generation: int) -> Path:
        return self.nets / f"gen-{generation:05d}.dit"

    def fit_checkpoint(self, generation: int) -> Path:
        """State of a training that was interrupted."""
        return self.path / "fit" / f"gen-{generation:05d}.npz"

    def ensure_first_network(self) -> None:
        """Make generation 0, from the initial network or random from the run's seed, and promote
        it; once.

        If only the promoted network is missing (lost, or the process that wrote it was killed), it
        is promoted again. Raises ConfigError where the run began with another network than the
        initial one.
        """
        first = self.candidate(0)
        if (
            self._initial is not None
            and first.is_file()
            and not self.are_equal(self._initial, first)
        ):
            raise ConfigError(
                f"{self.path}: this run did not start from {self._initial}; --initial is for new runs"
            )
        if self.best.is_file():
            return
        promoted = max(self.ledger.promoted(), default=0)
        if promoted == 0 and not first.is_file():
            if self._initial is not None:
                dit.save(
                    first, self.load(self._initial), {"kind": "initial", "from": self._initial.name}
                )
            else:
                dit.save(
                    first,
                    self._random_network(),
                    {"kind": "random"},
                    configuration=asdict(self.config),
                )
        self.promote(promoted)

    def _random_network(self) -> Layer:
        return family_of(self.config.net).build(np.random.default_rng(self.config.seed))

    def promote(self, generation: int) -> None:
        """Make a generation's network the best one: complete on disk before it takes the name. Safe
        to repeat.
        """
        source = self.candidate(generation)
        if not source.is_file():
            raise RunError(f"{source} is missing: cannot promote generation {generation}")
        with atomic_write(self.best) as stream, open(source, "rb") as network:
            shutil.copyfileobj(network, stream)

    def remove_old_networks(self, generation: int) -> None:
        """Remove the candidates that `keep_nets` does not want, once a generation's gate is over.

        The first network and the newest promoted ones stay: the run may have to begin or to promote
        them again.
        """
        if not (keep := self.config.keep_nets):
            return
        newest = self.ledger.promoted()[-keep:]
        needed = {0, *self.held, *newest, *range(generation - keep + 1, generation + 1)}
        for number, path in generation_files(self.nets, "dit").items():
            if number < generation and number not in needed:
                path.unlink()

    def load(self, path: Path) -> Layer:
        """Return a network of the kind that the run trains. Raises NetFileError."""
        return family_of(self.config.net).load(path)

    def are_equal(self, first: Path, second: Path) -> bool:
        """Whether two files hold the same network: layers and numbers."""
        ours, theirs = self.load(first), self.load(second)
        if ours.config() != theirs.config():
            return False
        mine = ours.named_parameters() | ours.named_buffers()
        tensors = theirs.named_parameters() | theirs.named_buffers()
        return all(np.array_equal(mine[name], tensors[name]) for name in tensors)

    # ---- games -----------------------------------------------------------------------------------

    @property
    def replay(self) -> Path:
        return self.path / "replay"

    def opening_rows(self) -> OpeningRows:
        """Return the run's opening set. Raises DataError as `load_openings`."""
        path = Path(self.config.openings) if self.config.openings else None
        return OpeningRows(load_openings(path))
