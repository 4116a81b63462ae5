"""What turns a training batch into gradients."""

from typing import Any, NamedTuple

from engine.native.pool import ThreadPool
from engine.nn.layer import Gradients


class StepResult(NamedTuple):
    """Batch means of the loss and of every metric, and the gradient of the mean loss."""

    loss: float
    metrics: dict[str, float]
    grads: Gradients


class GradientSource:
    """Turns a training batch into gradients, through layers (`LayerGradients`) or through custom
    kernels.
    """

    pool: ThreadPool  # the threads it works on; the optimizer and the averages use them too
    # Whether a step without clipping reports the gradient norm: of large tables, it costs as much
    # as an optimizer step.
    measures_norm = True

    def gradients(self, batch: Any, seed: tuple[int, ...]) -> StepResult:
        """Run one batch forward and backward; random draws depend only on `seed`.

        The source owns the result, which is valid until the next call.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Stop the threads."""
        self.pool.close()
