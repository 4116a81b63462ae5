"""The tower on a GPU: big batches of a fixed size, half precision on tensor cores, copies that overlap with work.

It is the tower of `engine.nn`, with its norms folded, on the device, so training and playing share one layer code. It
also runs on NumPy, slowly, so that machines without a GPU can test it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.backend import Backend, Lane
from engine.board.layout import MAX_MOVES
from engine.errors import ConfigError
from engine.network.planes import FIFTY_MOVE_PLANE, PLANES
from engine.network.policy_map import HEAD_INDEX
from engine.network.tower.model import SQUARES, TowerConfig, tower_with
from engine.nn.norm_folding import fold_norms

PART = 256  # Positions that go through the layers at once; smaller batches are padded to this size.


class Flight(NamedTuple):
    """Buffers for sending one part to the device and back; the next part in the same lane reuses them."""

    lane: Lane
    masks: np.ndarray  # pinned uint64 [PART, 112]
    places: np.ndarray  # pinned int32 [PART, 218]: where the policy head has each legal move
    logits: np.ndarray  # pinned float32 [PART, 218], out
    value: np.ndarray  # pinned float32 [PART, 3], out: probabilities of win, draw, loss
    moves_left: np.ndarray  # pinned float32 [PART], out: hundreds of plies
    device_masks: Any
    device_places: Any


class DeviceTower:
    """A tower ready to play on `backend`. Only one thread may use it.

    `tensors` are the parameters and buffers of `model.py` by name; raises ConfigError or ShapeError when they do not
    fit `config`. Every part has the same size, so a position's exact output does not depend on the rest of its batch.
    """

    def __init__(
        self, tensors: Mapping[str, np.ndarray], config: TowerConfig, backend: Backend, dtype: str = "float16"
    ) -> None:
        model = tower_with(tensors, config)
        self.config, self.backend, self.dtype = config, backend, np.dtype(dtype)
        with np.errstate(over="ignore"):  # The next line refuses the result.
            folded = fold_norms(model).astype(self.dtype)
        if not all(np.isfinite(array).all() for array in folded.named_parameters().values()):
            raise ConfigError(f"expected weights that {self.dtype} can hold, found larger ones")
        self._model = folded.to(backend)
        self._squares = backend.asarray(np.arange(SQUARES, dtype=np.uint64))
        self._places = HEAD_INDEX[config.policy].astype(np.int32)

    def new_flight(self) -> Flight:
        """New buffers and a queue for one part."""
        pinned, xp = self.backend.pinned, self.backend.xp
        return Flight(
            lane=self.backend.lane(),
            masks=pinned((PART, PLANES), np.uint64),
            places=pinned((PART, MAX_MOVES), np.int32),
            logits=pinned((PART, MAX_MOVES), np.float32),
            value=pinned((PART, 3), np.float32),
            moves_left=pinned((PART,), np.float32),
            device_masks=xp.zeros((PART, PLANES), np.uint64),
            device_places=xp.zeros((PART, MAX_MOVES), np.int32),
        )

    def launch(self, flight: Flight, masks: np.ndarray, policy_index: np.ndarray) -> None:
        """Queue the evaluation of up to PART positions: masks uint64 [n, 112], policy_index int16 [n, 218].

        After `flight.lane.wait()` the results are in `logits` (for the given indices), `value` and `moves_left`.
        """
        n = len(masks)
        flight.masks[:n], flight.masks[n:] = masks, 0
        flight.places[:n], flight.places[n:] = self._places[policy_index], 0
        with flight.lane as lane:
            lane.upload(flight.masks, flight.device_masks)
            lane.upload(flight.places, flight.device_places)
            outputs, _ = self._model.forward(self._planes(flight.device_masks))
            lane.download(self._gather(outputs["policy"], flight.device_places), flight.logits)
            lane.download(self._wdl(outputs[self.config.value_head]), flight.value)
            if "moves_left" in outputs:
                lane.download(outputs["moves_left"].astype(np.float32)[:, 0], flight.moves_left)
            else:
                flight.moves_left[:] = 0

    def _planes(self, masks: Any) -> Any:
        """Bit masks [PART, 112] -> planes [PART, 112, 8, 8], channels last in memory."""
        bits = (masks[:, None, :] >> self._squares[None, :, None]) & np.uint64(1)
        planes = bits.astype(self.dtype)
        planes[:, :, FIFTY_MOVE_PLANE] = masks[:, FIFTY_MOVE_PLANE, None].astype(self.dtype)
        return planes.reshape(PART, 8, 8, PLANES).transpose(0, 3, 1, 2)

    def _gather(self, policy: Any, places: Any) -> Any:
        flat = policy.reshape(PART, -1)
        return self.backend.xp.take_along_axis(flat, places, axis=1).astype(np.float32)

    def _wdl(self, value: Any) -> Any:
        """Probabilities from three logits, or from the expected result, which has no draws."""
        xp, value = self.backend.xp, value.astype(np.float32)
        if self.config.value == "scalar":
            half = value[:, 0] / 2
            return xp.stack([half + 0.5, xp.zeros_like(half), 0.5 - half], axis=1)
        powers = xp.exp(value - value.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
