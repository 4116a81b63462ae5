"""Weights of PyTorch's modules in models of ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Layer
from engine.nn.layers.cells import GRU
from engine.nn.layers.prelu import PReLU
from engine.nn.layers.recurrent import Recurrent
from engine.nn.module import LoadReport, dotted

StateDict = dict[str, np.ndarray]
# Of norms and PReLU; all other layers have PyTorch's names.
NAMES = {"weight": "gamma", "bias": "beta", "running_var": "running_variance"}
BATCH_COUNT = "num_batches_tracked"  # which no layer of ours has
# Of attention to a context of another width; else all three are one array, `in_proj_weight`.
PROJECTIONS = {"q_proj_weight": "query", "k_proj_weight": "key", "v_proj_weight": "value"}


def load_torch(
    model: Layer, tensors: Mapping[str, Any], names: Mapping[str, str] | None = None
) -> LoadReport:
    """Copy the tensors of a PyTorch `state_dict()`, or arrays by its names, into a model.

    Without `names`, the k-th module with tensors goes to the k-th layer with arrays, in the order
    of both. Where orders differ, `names` has our name for PyTorch's: whole names or beginnings,
    such as {"layer1.0.": "block1.", "fc": "head"}; the longest that fits counts, and names without
    one stay. An attention module counts as four, NAME.query, NAME.key, NAME.value and NAME.output;
    a recurrent one as NAME.l0, NAME.l0_reverse, NAME.l1 ..., one for each layer and direction.

    Settings are in no `state_dict`: `epsilon` is 1e-5 in PyTorch's norms and transformers, and its
    GELU is "exact_gelu" here.

    Raises ConfigError where a layer or a module has no counterpart, ShapeError where shapes differ.
    """
    modules = _modules(tensors)
    layers = {path: layer for path, layer in model.walk() if layer.params or layer.buffers}
    if names is None:
        if len(modules) != len(layers):
            counterparts = f"{[*modules]} and {[*layers]}"
            raise ConfigError(
                f"load_torch: {len(modules)} modules for {len(layers)} layers, {counterparts}; give `names`"
            )
        homes = dict(zip(modules, layers, strict=True))
    else:
        homes = {module: _renamed(module, names) for module in modules}
    loaded = {}
    for module, arrays in modules.items():
        path = homes[module]
        if path not in layers:
            raise ConfigError(f"load_torch: {module} goes to {path!r}, out of {[*layers]}")
        for name, array in _as_ours(layers[path], arrays).items():
            loaded[dotted(path, name)] = array
    return model.load_parameters(loaded)


def _renamed(module: str, names: Mapping[str, str]) -> str:
    for start in sorted(names, key=len, reverse=True):
        if module.startswith(start):
            return names[start] + module.removeprefix(start)
    return module


def _modules(tensors: Mapping[str, Any]) -> dict[str, StateDict]:
    """Return arrays by module, in order; those of attention and recurrent modules by their parts."""
    modules: dict[str, StateDict] = {}
    for full, tensor in tensors.items():
        module, _, name = full.rpartition(".")
        if name == BATCH_COUNT:
            continue
        array = _array(tensor)
        if name.startswith("in_proj_"):
            kind = name.removeprefix("in_proj_")
            for part, piece in zip(("query", "key", "value"), np.split(array, 3), strict=True):
                modules.setdefault(dotted(module, part), {})[kind] = piece
            continue
        if name in PROJECTIONS:
            module = dotted(module, PROJECTIONS[name])
            name = "weight"
        outer, _, last = module.rpartition(".")
        if last == "out_proj":
            module = dotted(outer, "output")
        if "_l" in name and name.startswith(("weight_", "bias_")):
            name, _, level = name.partition("_l")
            module = dotted(module, f"l{level}")
        modules.setdefault(module, {})[name] = array
    return modules


def _array(tensor: Any) -> np.ndarray:
    """Return a tensor of PyTorch's as an array."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().float()
    return np.asarray(tensor)


def _as_ours(layer: Layer, arrays: StateDict) -> StateDict:
    """Return a module's arrays under the names that a layer has."""
    if isinstance(layer, Recurrent):
        return _gates(layer, arrays)
    if isinstance(layer, PReLU):
        return {"alpha": arrays["weight"]}
    if "gamma" in layer.params:
        return {NAMES.get(name, name): array for name, array in arrays.items()}
    if "bias" in layer.params and "bias" not in arrays:
        return arrays | {"bias": np.zeros_like(layer.params["bias"])}
    return arrays


def _gates(layer: Recurrent, arrays: StateDict) -> StateDict:
    """Return the arrays of a recurrent layer, whose gates PyTorch has in another order."""
    if isinstance(layer, GRU) and layer.reset_first:
        raise ConfigError("load_torch: PyTorch's GRU needs one here without reset_first")
    order = [*range(layer.gates)]
    if layer.gates == 4:  # an LSTM's
        order = [0, 1, 3, 2]

    def in_our_order(array):
        by_gate = array.reshape(layer.gates, -1, *array.shape[1:])
        return by_gate[order].reshape(array.shape)

    nothing = np.zeros(layer.gates * layer.hidden, np.float32)
    own = in_our_order(arrays.get("bias_ih", nothing))
    hidden = in_our_order(arrays.get("bias_hh", nothing))
    ours = {
        "input_weight": in_our_order(arrays["weight_ih"]),
        "hidden_weight": in_our_order(arrays["weight_hh"]),
    }
    if "candidate_bias" in layer.params:
        candidate = slice(2 * layer.hidden, None)
        ours["candidate_bias"] = hidden[candidate].copy()
        hidden[candidate] = 0
    return ours | {"bias": own + hidden}
