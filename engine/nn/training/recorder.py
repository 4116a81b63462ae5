"""Gradients on a device by a CUDA graph, after ten steps have shown that it computes what plain code computes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from engine.backend import backend_of, backend_of_all, to_numpy
from engine.cuda_graph import Recording
from engine.errors import DeviceError
from engine.nn.layer import Array, Layer
from engine.nn.training.flat import FlatTensors
from engine.nn.training.parallel import Unread

TRIAL_STEPS = 10
TOLERANCE = 0.01  # of the difference's norm, relative; set by hand: rounding differs by 0.001 in half precision

log = logging.getLogger(__name__)
Measured = tuple[Unread, Mapping[str, Array]]


class Recorder:
    """Calls `measure` of batches on a device, at first itself and then as it was recorded.

    For `TRIAL_STEPS` steps both are computed and compared. Where the device refuses to record, or the results differ,
    a line in the log says why, and `measure` is called from then on. So it is for batches of other shapes.
    """

    def __init__(self, model: Layer, measure: Callable[[Any], Measured]) -> None:
        self._model, self._measure = model, measure
        self._recording: Recording | None = None
        self._form: Any = None  # of the batches in the recording
        self._parameters: FlatTensors | None = None  # these and the next are what it depends on otherwise
        self._factor: float | None = None
        self._agreed = 0  # steps of the trial
        self.is_refused = False

    def measured(
        self, batch: Any, parameters: FlatTensors, factor: float | None, statistics: Mapping[str, Array]
    ) -> Measured:
        """Return means and gradients of a batch, a named tuple of arrays on a device.

        factor: of the loss. statistics: copies of the model's buffers before the step.
        """
        form = [(array.shape, array.dtype) for array in batch]
        if self.is_refused or (self._form is not None and form != self._form):
            return self._measure(batch)
        if parameters is not self._parameters or factor != self._factor:
            self._recording, self._agreed = None, 0
            self._form, self._parameters, self._factor = form, parameters, factor
        if self._recording is not None and self._agreed == TRIAL_STEPS:
            return self._recording(*batch)
        return self._tried(batch, parameters, statistics)

    def _tried(self, batch: Any, parameters: FlatTensors, before: Mapping[str, Array]) -> Measured:
        """Return what `measure` answers, after comparing it with the recording."""
        unread, grads = plain = self._measure(batch)
        after = {name: array.copy() for name, array in self._model.named_buffers().items()}
        try:
            if self._recording is None:
                backend = backend_of_all(parameters)
                self._recording = Recording(backend, lambda *arrays: self._measure(batch._make(arrays)), batch)
            self._model.load_buffers(before)
            again, grads_again = self._recording(*batch)
            if np.isfinite(to_numpy(unread.values)).all():  # gradients that overflow have no difference
                buffers = self._model.named_buffers()
                pairs = [(again.values, unread.values), (grads_again.whole, grads.whole)]
                _check_near([*pairs, *((buffers[name], array) for name, array in after.items())])
                self._agreed += 1
        except Exception as error:  # noqa: BLE001  whatever it fails with, there is plain code; a lost device fails again
            self._recording, self.is_refused = None, True
            log.warning("training goes on without a CUDA graph: %s: %s", type(error).__name__, error)
        finally:
            self._model.load_buffers(after)
        return plain


def _check_near(pairs: Iterable[tuple[Array, Array]]) -> None:
    """Raise DeviceError where the first of two arrays is not near the second."""
    for found, expected in pairs:
        norm = backend_of(expected).xp.linalg.norm
        if not float(norm(found - expected)) <= TOLERANCE * float(norm(expected)):
            raise DeviceError(f"it computed {to_numpy(found)!s:.60}, expected {to_numpy(expected)!s:.60}")
