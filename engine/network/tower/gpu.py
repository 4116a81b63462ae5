"""The tower on a GPU: big batches of a fixed size, half precision on tensor cores.

It is the tower of `engine.nn`, with its norms folded, on the device, so training and playing share one layer code. It
also runs on NumPy, slowly, so that machines without a GPU can test it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import Backend, to_numpy
from engine.errors import ConfigError
from engine.network.planes import FIFTY_MOVE_PLANE, PLANES
from engine.network.policy_map import HEAD_INDEX
from engine.network.tower.model import SQUARES, TowerConfig, tower_with
from engine.nn.norm_folding import fold_norms

PART = 256  # Positions that go through the layers at once; smaller batches are padded to this size.


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

    def evaluate(self, masks: np.ndarray, policy_index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Evaluate up to PART positions: masks uint64 [n, 112], policy_index int16 [n, moves], each below 1858.

        Returns (logits of these moves [n, moves]; probabilities of win, draw, loss [n, 3]; plies left in hundreds [n],
        0 without such a head), all float32.
        """
        count, asarray = len(masks), self.backend.asarray
        rest = ((0, PART - count), (0, 0))
        outputs, _ = self._model.forward(self._planes(asarray(np.pad(masks, rest))))
        logits = self._gather(outputs["policy"], asarray(np.pad(self._places[policy_index], rest)))
        left = outputs["moves_left"][:, 0] if "moves_left" in outputs else np.zeros(PART)
        found = logits, self._wdl(outputs[self.config.value_head]), left.astype(np.float32)
        return tuple(to_numpy(part)[:count] for part in found)  # type: ignore[return-value]

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
