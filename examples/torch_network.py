"""A residual tower in PyTorch that the self-play loop trains, and that plays in every command and
over UCI.

    aino-train loop runs/torch --net torch_network:Network --generations 3
    aino --evaluator torch_network:Network --weights-file runs/torch/nets/best.dit

Run these in the folder of this file, with PyTorch in Aino's environment (`pip install torch`).
docs/own-network.md explains what Aino asks of the class.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FILTERS, BLOCKS = 32, 4
torch.set_num_threads(1)  # each worker of self-play is a process of its own


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(FILTERS, FILTERS, 3, padding=1, bias=False),
            nn.BatchNorm2d(FILTERS),
            nn.ReLU(),
            nn.Conv2d(FILTERS, FILTERS, 3, padding=1, bias=False),
            nn.BatchNorm2d(FILTERS),
        )

    def forward(self, x):
        return torch.relu(x + self.layers(x))


class Tower(nn.Module):
    """Planes to policy logits and to logits of win, draw and loss."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(112, FILTERS, 3, padding=1, bias=False),
            nn.BatchNorm2d(FILTERS),
            nn.ReLU(),
            *[Block() for _ in range(BLOCKS)],
        )
        self.policy = nn.Sequential(
            nn.Conv2d(FILTERS, 32, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 64, 1858)
        )
        self.wdl = nn.Sequential(
            nn.Conv2d(FILTERS, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 3)
        )

    def forward(self, planes):
        x = self.trunk(planes)
        return self.policy(x), self.wdl(x)


class Network:
    """What Aino asks for: planes in, logits and chances out; a training step; and the weights as
    arrays.
    """

    batch = 64

    def __init__(self, weights=None, seed=1):
        torch.manual_seed(seed)
        self.net = Tower()
        if weights is not None:
            arrays = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
            self.net.load_state_dict(arrays, strict=False)  # without the norms' counts of batches
        self.optimizer = torch.optim.AdamW(self.net.parameters(), weight_decay=1e-2)

    def __call__(self, planes):
        self.net.eval()
        with torch.inference_mode():
            policy, wdl = self.net(torch.from_numpy(planes))
            return policy.numpy(), torch.softmax(wdl.double(), dim=1).numpy()

    def train(self, batch, rate):
        self.net.train()
        planes, targets, legal, results = map(
            torch.from_numpy, (batch.planes, batch.policy, batch.legal, batch.wdl)
        )
        policy, wdl = self.net(planes)
        logs = functional.log_softmax(policy.masked_fill(~legal, -1e9), dim=1)
        policy_loss = -(targets * logs).sum(dim=1).mean()
        value_loss = functional.cross_entropy(wdl, results)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        (policy_loss + value_loss).backward()
        self.optimizer.step()
        return policy_loss.item(), value_loss.item()

    def weights(self):
        return {
            name: tensor.numpy() for name, tensor in self.net.state_dict().items() if tensor.ndim
        }
