"""Evaluations a second of the tower on a GPU by batch, against PyTorch (channels last, half precision) in one run.

    python -m benchmarks.gpu_inference --nets 64x6 128x10 256x15 --batches 64 256 512 1024 2048

Needs CuPy and a GPU that answers; PyTorch is timed if it is installed. Ours starts from bit masks in host memory and
ends with the logits of the legal moves there; theirs starts from planes that already lie on the device.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.inference import positions
from engine.backend import Backend, get_backend
from engine.evaluation.device import DeviceEvaluator
from engine.evaluation.tower import NetworkEvaluator
from engine.network.planes import PLANES
from engine.network.tower.gpu import DeviceTower
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig, build_tower


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    nets = [TowerConfig.parse(text) for text in ("64x6", "128x10", "256x15")]
    parser.add_argument("--nets", type=TowerConfig.parse, nargs="+", default=nets)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    backend = get_backend("cupy")
    print(f"{backend.device}, {backend.versions()}")
    for config in options.nets:
        for batch in options.batches:
            runs = {"aino fp16": our_run(config, batch, backend)}
            if importlib.util.find_spec("torch") is not None:
                runs["torch fp16 channels last"] = torch_run(config, batch)
            seconds: dict[str, list[float]] = {name: [] for name in runs}
            for _ in range(options.rounds):
                for name, run in runs.items():
                    start = time.perf_counter()
                    run()
                    seconds[name].append(time.perf_counter() - start)
            speeds = {name: batch / statistics.median(values[1:]) for name, values in seconds.items()}
            print(
                f"{config!s:8} batch {batch:5}  " + "  ".join(f"{n} {v:,.0f}/s" for n, v in speeds.items()), flush=True
            )


def our_run(config: TowerConfig, batch: int, backend: Backend) -> Callable[[], None]:
    model = build_tower(config, np.random.default_rng(0))
    tensors = model.named_parameters() | model.named_buffers()
    on_processor = NetworkEvaluator(FusedTower(tensors, config))
    evaluator = DeviceEvaluator(on_processor, lambda: DeviceTower(tensors, config, backend), chooses=False)
    leaves = positions(batch)
    return lambda: evaluator.evaluate(leaves, batch)


def torch_run(config: TowerConfig, batch: int) -> Callable[[], None]:
    import torch

    from benchmarks.training_step import torch_tower

    model = torch_tower(torch, config).eval().half().to("cuda", memory_format=torch.channels_last)
    planes = torch.zeros(batch, PLANES, 8, 8, dtype=torch.half, device="cuda")
    planes = planes.contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.no_grad():
            model(planes)
        torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    main()
