"""All that Aino does on a GPU, beside PyTorch on the same GPU: one table in less than ten minutes.

    python -m benchmarks.gpu

First come the tests that need a device. Then each network's answers, and the loss of the first one
after a short training, are compared with the processor's, and inference, search, self-play and
training are timed, each contestant in turns. Both sides begin with bit masks in host memory;
inference ends with the logits of the legal moves there. PyTorch runs eagerly: in single precision,
with channels last, and with autocast to half precision; ours is half precision in inference and
single precision in training. `--backend numpy` runs the same on the processor, to try the command.
"""

import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.inference import positions
from benchmarks.measuring import Row, Run, counted, new_parser, report, take_turns
from benchmarks.selfplay_speed import random_positions, self_play_speed
from engine import Engine
from engine.backend import Backend, get_backend
from engine.evaluation.device import DeviceEvaluator
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.tower import NetworkEvaluator
from engine.network.device_network import DeviceTower
from engine.network.planes import FIFTY_MOVE_PLANE, PLANES
from engine.network.policy_map import CONV_INDEX
from engine.network.tower.tower_model import TowerConfig
from engine.network.tower.tower_play import FusedTower
from engine.nn import dit
from engine.options import EngineOptions
from engine.search.limits import Limits
from selfplay.families.by_name import family_of
from selfplay.games.game_settings import GameSettings
from selfplay.training.family import Learning
from selfplay.training.recipe import TOWER_RECIPE, LearnerSettings
from selfplay.training.source_files import TrainingData

ROUNDS = 3
VISITS = 32
LAST_STEPS = 5  # whose mean loss is compared
VARIANTS: tuple[str, ...] = ("torch", "torch channels last", "torch autocast")
DEVICE_TESTS = ("tests/unit/network/test_device.py", "tests/unit/nn/test_nn_backend.py")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        batches=([64, 256, 1024], "positions of an evaluation"),
        train_batch=(TOWER_RECIPE.batch_size, "positions of a training step"),
        steps=(50, "steps of the training that is compared"),
        games=(512, "self-play games at once"),
        nodes=(4096, "nodes of a search"),
        seconds=(6.0, "time each contestant this long"),
        no_tests=(False, "leave out the device tests"),
    )
    parser.add_argument("--backend", choices=("cupy", "numpy"), default="cupy")
    parser.add_argument(
        "--nets",
        type=TowerConfig.parse,
        nargs="+",
        default=[TowerConfig(64, 6), TowerConfig(256, 15)],
    )
    options = parser.parse_args(arguments)
    backend = get_backend(options.backend)
    variants = VARIANTS
    machine = f"{backend.device}, {backend.versions()}"
    if importlib.util.find_spec("torch") is None:
        variants = ()
        machine += "; PyTorch is missing: only ours is timed"
    print(machine)
    if not options.no_tests:
        print(device_tests())
    rows: list[Row] = []
    for config in options.nets:
        for work, batch, figures in measure(config, backend, options, variants):
            row = dict.fromkeys(("aino", "processor", *variants), "-") | figures
            rows.append({"work": work, "net": str(config), "batch": batch, **row})
    report(rows, options.json)


def device_tests() -> str:
    """Run the tests that need a device; returns what pytest says last."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "gpu or GPU", *DEVICE_TESTS]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def compare_answers(config: TowerConfig, backend: Backend, batch: int) -> float:
    """Return the largest difference between the answers of device and processor, logits of legal
    moves and values.
    """
    model = config.build(np.random.default_rng(0))
    leaves = positions(batch)
    tensors = model.named_parameters() | model.named_buffers()
    legal = np.arange(leaves.logits.shape[1]) < leaves.n_moves[:batch, None]
    our_inference(tensors, config, leaves, batch, backend)()
    logits = leaves.logits[:batch].copy()
    wdl = leaves.wdl[:batch].copy()
    NetworkEvaluator(FusedTower(tensors, config)).evaluate(leaves, batch)
    differences = np.abs(logits - leaves.logits[:batch])[legal]
    return float(max(differences.max(), np.abs(wdl - leaves.wdl[:batch]).max()))


def compare_losses(config: TowerConfig, options: Any) -> dict[str, float]:
    """Return the policy's loss at the end of a short training, by the same batches, of device and
    processor.
    """
    losses: dict[str, float] = {}
    for name, backend in (("aino", options.backend), ("processor", "numpy")):
        learner = our_learner(config, options.train_batch, get_backend(backend))
        steps = [learner.step().policy or 0.0 for _ in range(options.steps)]
        losses[name] = statistics.mean(steps[-LAST_STEPS:])
        learner.close()
    return losses


# What is measured, positions in a batch, and the contestants' figures.
Figures = Iterator[tuple[str, int, dict[str, float]]]


def measure(
    config: TowerConfig, backend: Backend, options: Any, variants: Sequence[str]
) -> Figures:
    """Yield all that is measured of a tower."""
    batch = min(options.batches)
    difference = 1e3 * compare_answers(config, backend, batch)
    yield "answers: largest difference, 1/1000", batch, {"aino": difference}
    if config == options.nets[0]:  # The processor takes minutes for larger ones.
        losses = compare_losses(config, options)
        yield f"policy loss after {options.steps} steps", options.train_batch, losses
    yield from measure_inference(config, backend, options, variants)
    yield from measure_play(config, backend, options)
    yield from measure_training(config, backend, options, variants)


def measure_inference(
    config: TowerConfig, backend: Backend, options: Any, variants: Sequence[str]
) -> Figures:
    """Yield how many positions a second are evaluated, by the size of batches."""
    model = config.build(np.random.default_rng(0))
    tensors = model.named_parameters() | model.named_buffers()
    for batch in options.batches:
        leaves = positions(batch)
        runs = {name: torch_inference(config, leaves, batch, backend, name) for name in variants}
        runs["aino"] = our_inference(tensors, config, leaves, batch, backend)
        yield "inference, positions/s", batch, race(runs, options.seconds)


def measure_play(config: TowerConfig, backend: Backend, options: Any) -> Figures:
    """Yield the speed of a search and of self-play."""
    with TemporaryDirectory() as folder:
        net = Path(folder) / "net.dit"
        dit.save(net, config.build(np.random.default_rng(0)))
        settings = EngineOptions(evaluator="network", weights_file=str(net), backend=backend.name)
        with Engine(settings) as engine:

            def search() -> int:
                engine.new_game()
                return engine.search(Limits(nodes=options.nodes)).nodes

            speed = race({"aino": search}, options.seconds)
            yield "search, nodes/s", engine.evaluator.round_size, speed
        games = GameSettings(concurrent=options.games, backend=backend.name, visits=VISITS)
        figures = {"aino": self_play_speed(net, games, 1, options.seconds)}
        yield f"self-play with {VISITS} visits, positions/s", options.games, figures


def measure_training(
    config: TowerConfig, backend: Backend, options: Any, variants: Sequence[str]
) -> Figures:
    """Yield how many positions a second are trained on."""
    batch = options.train_batch
    leaves = positions(batch)
    runs = {name: torch_training(config, leaves, batch, backend, name) for name in variants}
    learner = our_learner(config, batch, backend)
    runs["aino"] = counted(learner.step, batch)
    yield "training, positions/s", batch, race(runs, options.seconds)
    learner.close()


def race(runs: dict[str, Run], seconds: float) -> dict[str, float]:
    """Positions a second by name: the median of a few rounds, in turns."""
    speeds = take_turns(runs, ROUNDS, seconds / ROUNDS)
    return {name: statistics.median(values) for name, values in speeds.items()}


# ---- ours ----------------------------------------------------------------------------------------


def our_inference(
    tensors: Any, config: TowerConfig, leaves: LeafBatch, batch: int, backend: Backend
) -> Run:
    spare = NetworkEvaluator(FusedTower(tensors, config))
    evaluator = DeviceEvaluator(spare, lambda: DeviceTower(tensors, config, backend), chooses=False)

    def run() -> None:
        evaluator.evaluate(leaves, batch)
        assert not (news := evaluator.take_news()), news

    return counted(run, batch)


def our_learner(config: TowerConfig, batch: int, backend: Backend) -> Learning:
    family = family_of(str(config))
    settings = LearnerSettings(batch, TOWER_RECIPE.weight_decay)
    games = random_positions(np.random.default_rng(1), games=20)
    batches = family.batches(TrainingData((games,), (1.0,), games), settings, 1)
    return family.learner(
        family.build(np.random.default_rng(0)), batches, settings, 1e-3, backend.name
    )


# ---- PyTorch -------------------------------------------------------------------------------------


def torch_tower(torch: Any, config: TowerConfig) -> Any:
    """Return the tower in PyTorch, with random weights."""
    layers: Any = torch.nn
    filters = config.filters

    class Tower(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks = [torch_block(torch, config) for _ in range(config.blocks)]
            self.trunk = layers.Sequential(*torch_conv_norm(layers, PLANES, filters, 3), *blocks)
            self.policy = layers.Sequential(
                *torch_conv_norm(layers, filters, filters, 3),
                layers.Conv2d(filters, config.policy_planes, 3, padding=1),
            )
            self.wdl = torch_head(layers, filters, config.value_channels, config.value_hidden, 3)
            self.moves_left = torch_head(
                layers, filters, config.moves_left_channels, config.moves_left_hidden, 1
            )

        def forward(self, x: Any) -> Any:
            shared = self.trunk(x)
            return self.policy(shared), self.wdl(shared), self.moves_left(shared)

    return Tower()


def torch_block(torch: Any, config: TowerConfig) -> Any:
    """Return a residual block with squeeze-excitation."""
    layers: Any = torch.nn
    filters = config.filters
    hidden = filters // config.se_ratio

    class Block(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = layers.Sequential(
                *torch_conv_norm(layers, filters, filters, 3),
                layers.Conv2d(filters, filters, 3, padding=1, bias=False),
                layers.BatchNorm2d(filters),
            )
            self.gate = layers.Sequential(
                layers.Linear(filters, hidden), layers.ReLU(), layers.Linear(hidden, 2 * filters)
            )

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            scale, shift = self.gate(y.mean((2, 3)))[:, :, None, None].chunk(2, 1)
            return torch.relu(torch.sigmoid(scale) * y + shift + x)

    return Block()


def torch_conv_norm(layers: Any, inputs: int, outputs: int, size: int) -> list[Any]:
    """Return a convolution, batch normalisation and ReLU."""
    conv = layers.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return [conv, layers.BatchNorm2d(outputs), layers.ReLU(inplace=True)]


def torch_head(layers: Any, filters: int, channels: int, hidden: int, outputs: int) -> Any:
    """Return a head of a convolution and two dense layers."""
    return layers.Sequential(
        *torch_conv_norm(layers, filters, channels, 1),
        layers.Flatten(),
        layers.Linear(64 * channels, hidden),
        layers.ReLU(),
        layers.Linear(hidden, outputs),
    )


class Torch:
    """PyTorch's tower on the device, in one of VARIANTS."""

    def __init__(self, config: TowerConfig, backend: Backend, variant: str) -> None:
        import torch

        self.torch: Any = torch
        self.device, self.half = "cuda", torch.float16
        if backend.name == "numpy":
            self.device, self.half = "cpu", torch.bfloat16
        self.layout = torch.channels_last
        if variant == VARIANTS[0]:
            self.layout = torch.contiguous_format
        self.is_half = variant == VARIANTS[2]
        self.model = torch_tower(torch, config).to(self.device, memory_format=self.layout)
        self._squares = torch.arange(64, device=self.device)
        self._is_counter = (torch.arange(PLANES, device=self.device) == FIFTY_MOVE_PLANE)[:, None]

    def __call__(self, masks: np.ndarray) -> Any:
        """Return what the tower answers to bit masks uint64 [B, 112]."""
        words = self.torch.from_numpy(masks.view(np.int64)).to(self.device)[:, :, None]
        planes = self.torch.where(self._is_counter, words, (words >> self._squares) & 1)
        planes = planes.float().view(-1, PLANES, 8, 8).contiguous(memory_format=self.layout)
        with self.torch.autocast(self.device, self.half, enabled=self.is_half):
            return self.model(planes)


def torch_inference(
    config: TowerConfig, leaves: LeafBatch, batch: int, backend: Backend, variant: str
) -> Run:
    tower = Torch(config, backend, variant)
    tower.model.eval()

    def run() -> None:
        with tower.torch.no_grad():
            policy, wdl, moves_left = tower(leaves.masks[:batch])
            places = tower.torch.from_numpy(
                CONV_INDEX[leaves.policy_index[:batch]].astype(np.int64)
            ).to(tower.device)
            chosen = policy.flatten(1).gather(1, places).float()
            answers = (chosen, wdl.float().softmax(1), moves_left.float())
            for answer in answers:  # once all are queued: each copy waits for the device
                answer.cpu()

    return counted(run, batch)


def torch_training(
    config: TowerConfig, leaves: LeafBatch, batch: int, backend: Backend, variant: str
) -> Run:
    tower = Torch(config, backend, variant)
    torch, functional = tower.torch, tower.torch.nn.functional
    optimizer = torch.optim.AdamW(tower.model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(tower.device, enabled=tower.is_half and tower.device == "cuda")
    moves = CONV_INDEX[leaves.policy_index[:batch, 0]].astype(np.int64)

    def run() -> None:
        policy, wdl, moves_left = (answer.float() for answer in tower(leaves.masks[:batch]))
        targets = torch.from_numpy(moves).to(tower.device)
        loss = functional.cross_entropy(policy.flatten(1), targets) + functional.cross_entropy(
            wdl, targets % 3
        )
        loss = loss + functional.huber_loss(moves_left, torch.zeros_like(moves_left))
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(tower.model.parameters(), LearnerSettings.clip_norm)
        scaler.step(optimizer)
        scaler.update()
        loss.item()

    return counted(run, batch)


if __name__ == "__main__":
    main()
