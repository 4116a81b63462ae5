"""A trainer of a small model, for tests that ask one thing of it."""

import numpy as np

from engine import nn

RNG = np.random.default_rng(3)
X = RNG.standard_normal((64, 3)).astype(np.float32)
Y = RNG.standard_normal((64, 2)).astype(np.float32)
CLASSES = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
DATA = nn.Data(X, Y)


def dense(inputs=3, outputs=2):
    return nn.Dense(inputs, outputs, np.random.default_rng(0))


def trainer(model=None, loss=nn.mse, optimizer=None, rate=0.05, **further):
    """A trainer of a dense layer by plain descent, unless other parts are given. What is no
    argument of a trainer is a setting.
    """
    parts = {name: further.pop(name) for name in ("metrics", "average", "rates") if name in further}
    settings = nn.TrainerSettings(**further)
    return nn.Trainer(model or dense(), loss, optimizer or nn.SGD(), rate, settings, **parts)
