"""What a deep stack does to a gradient: its norm at 20 layers of sigmoid, tanh, ReLU, and ReLU with
batch norm.

dx = W^T (f'(z) dy): with sigmoid, f' <= 1/4, so each layer shrinks the gradient, and hardly any of
it reaches the first layers. Tanh with Glorot's and ReLU with He's initialisation keep the norm;
batch norm makes it grow on the way back (Yang et al. 2019, arXiv:1902.08129).
"""

from collections.abc import Sequence

import numpy as np

from engine import nn
from examples.nn.common import command_line, run_as_command, save_curves

WIDTH = 64
DEPTH = 20
KINDS = ("sigmoid", "tanh", "relu", "relu, batch norm")


def run(kind: str, seed: int = 0, depth: int = DEPTH) -> list[float]:
    """Norms of the weight gradients from the first layer to the last, for a random output gradient
    of norm 1.
    """
    rng = np.random.default_rng(seed)
    parts: dict[str, nn.Layer] = {}
    for number in range(depth):
        parts[f"dense{number}"] = nn.Dense(WIDTH, WIDTH, rng, "he" if "relu" in kind else "glorot")
        if kind == "relu, batch norm":
            parts[f"norm{number}"] = nn.BatchNorm(WIDTH, relu=True)
        else:
            parts[f"active{number}"] = nn.Activation(kind)
    x = rng.standard_normal((256, WIDTH)).astype(np.float32)
    y, backward = nn.Sequential(**parts).forward(x, training=True)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    _, grads = backward(dy / np.linalg.norm(dy))
    return [float(np.linalg.norm(grads[f"dense{number}.weight"])) for number in range(depth)]


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    norms = {kind: run(kind, options.seed) for kind in KINDS}
    print(f"norm of a layer's weight gradient, {DEPTH} layers of {WIDTH}")
    print(f"{'':18}   first layer    middle      last   last / first")
    for kind, values in norms.items():
        middle = values[DEPTH // 2]
        print(
            f"{kind:18} {values[0]:13.1e} {middle:9.1e} {values[-1]:9.1e} {values[-1] / values[0]:14.1e}"
        )
    save_curves(options.plot, norms, "layer", "norm of the weight gradient", "semilogy")


if __name__ == "__main__":
    run_as_command(main)
