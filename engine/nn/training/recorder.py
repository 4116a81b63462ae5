"""Gradients on a device by CUDA graphs, after ten steps have shown that they compute what plain
code computes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from engine.backend import Recording, backend_of_all
from engine.errors import DeviceError
from engine.nn.array_checks import copies
from engine.nn.layer import Array, Layer
from engine.nn.training.history import floats

TRIAL_STEPS = 10
LARGEST_DIFFERENCE = 0.01  # relative; set by hand: half precision rounds by 0.001

Measured = tuple[dict[str, Any], Mapping[str, Array]]  # unread means over a batch, gradients
log = logging.getLogger(__name__)


class Recorder:
    """Calls `measure` of batches on a device, in the end as it was recorded.

    For `TRIAL_STEPS` steps, both are computed and compared. Where the device refuses, or results
    differ, a line in the log says why, and `measure` itself is called from then on, as it always is
    for batches of other shapes.
    """

    def __init__(self, model: Layer, measure: Callable[[Any], Measured]) -> None:
        self._model = model
        self._measure = measure
        self.is_refused = False
        self._recording: Recording | None = None
        self._form: list[Any] = []  # shapes of the arrays of a batch in the recording
        self._parameters: Mapping[str, Array] = {}  # those of the model in the recording
        self._agreed = 0  # steps of the trial

    def measured(
        self, batch: Any, parameters: Mapping[str, Array], statistics: Mapping[str, Array]
    ) -> Measured:
        """Return unread means and the gradients of a batch, a named tuple of arrays on a device.

        parameters: the model's. statistics: copies of its buffers before the step.
        """
        form = [array.shape for array in batch]
        if self.is_refused or (self._form and form != self._form):
            return self._measure(batch)
        if parameters is not self._parameters:
            self._recording = None
            self._agreed = 0
            self._form = form
            self._parameters = parameters
        if self._recording is not None and self._agreed == TRIAL_STEPS:
            return self._recording(*batch)
        plain = self._measure(batch)
        after = copies(self._model.named_buffers())
        try:
            if self._recording is None:
                backend = backend_of_all(plain[1])
                self._recording = Recording(
                    backend, lambda *arrays: self._measure(batch._make(arrays)), batch
                )
            self._model.load_buffers(statistics)
            self._compare(self._recording(*batch), plain, after)
        except Exception as error:  # noqa: BLE001  plain code goes on; a device that is lost fails it, too
            self._recording = None
            self.is_refused = True
            log.warning("training goes on without CUDA graphs: %s: %s", type(error).__name__, error)
        finally:
            self._model.load_buffers(after)
        return plain

    def _compare(self, found: Measured, plain: Measured, after: Mapping[str, Array]) -> None:
        """Count a step of the trial, unless gradients overflow. Raises DeviceError where results or
        buffers differ.
        """
        means = floats(found[0])
        expected = floats(plain[0])
        buffers = self._model.named_buffers()
        if not all(map(math.isfinite, expected.values())):
            return
        norm = backend_of_all(plain[1]).xp.linalg.norm
        pairs = [(found[1][name], array) for name, array in plain[1].items()]
        pairs += [(buffers[name], array) for name, array in after.items()]
        sizes = [(float(norm(one - other)), float(norm(other))) for one, other in pairs]
        sizes += [(abs(means[name] - value), abs(value)) for name, value in expected.items()]
        if worst := [error for error in sizes if not error[0] <= LARGEST_DIFFERENCE * error[1]]:
            raise DeviceError(
                f"what they compute differs by {worst[0][0]:.2g} from {worst[0][1]:.2g}"
            )
        self._agreed += 1
