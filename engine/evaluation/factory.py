"""Makes evaluators by the names of the `Evaluator` option."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, NetFileError, blaming
from engine.evaluation.protocol import Evaluator
from engine.options import EVALUATORS

if TYPE_CHECKING:
    from engine.network.fused.ready_network import Fused


def make_evaluator(
    name: str = "auto",
    net_path: str | Path | None = None,
    threads: int = 1,
    hybrid_weight: float = 0.5,
    backend: str = "numpy",
    blend: bool = True,
) -> Evaluator:
    """Make an evaluator by name, or of a class at `package.module:name` (`load_custom`). `net_path`
    is as in `load_net`; such a class gets no weights if it means a shipped net. `hybrid_weight` is
    the share of material in `hybrid`, and `backend`, as in `get_backend`, is where a network of
    planes is evaluated.

    The net's family decides what `network` and `auto` mean: both are `sparse` with a sparse net,
    and `auto` is `hybrid` with a tower or transformer, `network` without `blend`. Among the shipped
    nets, `network` and `hybrid` take the tower. Raises ConfigError for an unknown name or a backend
    that does not answer, NetFileError for a net that cannot be loaded or is not of the evaluator's
    family; the error's `option` names the option at fault.
    """
    if ":" in name:
        from engine.evaluation.custom import load_custom
        from engine.network.weights import is_default

        with blaming("evaluator"):
            return load_custom(name, None if is_default(net_path) else net_path)
    if name not in EVALUATORS:
        raise ConfigError(f"unknown evaluator {name!r}: expected one of {', '.join(EVALUATORS)}")
    # Each kind is imported where it plays: `material` starts without the net.
    if name == "material":
        from engine.evaluation.material import MaterialEvaluator

        return MaterialEvaluator(threads)
    from engine.network.sparse.sparse_play import SparseNet
    from engine.network.weights import is_default, load_net, load_network

    with blaming("weights_file"):
        of_towers = is_default(net_path) and name in ("network", "hybrid")
        net = load_network() if of_towers else load_net(net_path)
    with blaming("evaluator"):
        if isinstance(net, SparseNet):
            if name == "hybrid":
                raise NetFileError(
                    str(net_path), "a tower, for the evaluator hybrid", f"a net {net.config}"
                )
            from engine.evaluation.sparse import SparseEvaluator

            return SparseEvaluator(net, threads)
        if name == "sparse":
            raise NetFileError(str(net_path), "a sparse network", f"a tower {net.config}")
    with blaming("backend"):
        network = _planes_evaluator(net, net_path, threads, backend)
    if name == "network" or (name == "auto" and not blend):
        return network
    from engine.evaluation.hybrid import HybridEvaluator

    return HybridEvaluator(network, hybrid_weight, threads)


def _planes_evaluator(
    net: Fused, net_path: str | Path | None, threads: int, backend_name: str
) -> Evaluator:
    from engine.backend import get_backend, why_no_device
    from engine.evaluation.tower import NetworkEvaluator

    backend = get_backend(backend_name)
    chooses = backend_name == "auto"
    on_processor = NetworkEvaluator(net, threads)
    if backend.name == "numpy":
        if chooses and (reason := why_no_device()):
            on_processor.news = [f"{reason}; the network plays with Backend numpy"]
        return on_processor
    # Imported here because CPU inference needs no layers.
    from engine.evaluation.device import DeviceEvaluator
    from engine.network.device_network import network_on
    from engine.network.weights import load_planes

    file = load_planes(net_path)
    return DeviceEvaluator(
        on_processor, lambda: network_on(file.tensors, file.config, backend), chooses
    )
