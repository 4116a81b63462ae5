"""A sequence task: two numbers of a long row are marked, and the sum of these two is asked for at
the end.

Each step shows a number in [0, 1] and a mark, 1 at two of the steps. Always saying 1, the mean, has
an error of 1/6; to do better a net must keep a number over many steps. A gate (GRU, LSTM) can; a
plain RNN multiplies its state by the same matrix at each step. The "adding problem" of Hochreiter
and Schmidhuber 1997.
"""

from collections.abc import Sequence

import numpy as np

from engine import nn
from examples.nn.common import command_line, run_as_command, save_curves

KINDS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}
LENGTH = 40
BATCH = 64
HIDDEN = 32
CHANCE = 1 / 6  # variance of the sum of two uniform numbers


def run(
    kind: str, seed: int = 0, length: int = LENGTH, examples: int = 8192, epochs: int = 12
) -> nn.History:
    """Train one kind of recurrent layer; the history's validation loss is the mean squared error on
    new rows.
    """
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        memory=KINDS[kind](2, HIDDEN, rng, last=True), answer=nn.Dense(HIDDEN, 1, rng, "glorot")
    )
    schedule = nn.WarmupCosine(0.01, epochs * -(-examples // BATCH), 50)
    trainer = nn.Trainer(
        model, nn.mse, nn.Adam(), schedule, nn.TrainerSettings(BATCH, seed, clip_norm=1.0)
    )
    return trainer.fit(_rows(rng, examples, length), epochs, validation=_rows(rng, 1024, length))


def _rows(rng: np.random.Generator, count: int, length: int) -> nn.Data:
    """Return inputs [count, length, 2] (number, mark) and the sums [count, 1]; one mark in each
    half.
    """
    x = np.zeros((count, length, 2), np.float32)
    x[:, :, 0] = rng.random((count, length))
    everyone = np.arange(count)
    middle = length // 2
    first, second = rng.integers(0, middle, count), rng.integers(middle, length, count)
    x[everyone, first, 1] = x[everyone, second, 1] = 1
    return nn.Data(x, x[everyone, first, :1] + x[everyone, second, :1])


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    histories = {kind: run(kind, options.seed) for kind in KINDS}
    print(f"rows of {LENGTH}; always saying 1 has an error of {CHANCE:.4f}")
    for kind, history in histories.items():
        print(f"{kind:5} mean squared error on new rows {history['validation_loss'][-1]:.5f}")
    errors = {kind: history["validation_loss"] for kind, history in histories.items()}
    errors["always 1"] = [CHANCE] * len(errors["gru"])
    save_curves(options.plot, errors, "epoch", "mean squared error on new rows", "semilogy")


if __name__ == "__main__":
    run_as_command(main)
