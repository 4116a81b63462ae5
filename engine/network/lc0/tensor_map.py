"""Where Lc0's files hold each tensor of a tower or transformer: one table for reading, writing and
measuring.
"""

import re
from collections import ChainMap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import NetFileError
from engine.files.wire import Message
from engine.network.families import PlanesConfig
from engine.network.lc0.schema import FLOAT32
from engine.network.outputs import MOVES_LEFT_SCALE, Tensors
from engine.network.planes import FIFTY_MOVE_PLANE

NORM = {
    "bn_gammas": "gamma",
    "bn_betas": "beta",
    "bn_means": "running_mean",
    "bn_stddivs": "running_variance",
}
"""Our names of what is in a ConvBlock beside weights and biases; bn_stddivs are variances, in spite
of the name.
"""

POLICY_PLACES = {
    "vanilla": "vanilla",
    "optimistic": "optimistic_st",
    "soft": "soft",
    "opponent": "opponent",
}
VALUE_PLACES = {name: name for name in ("winner", "q", "st")}

_LEAVES = {"weight": "w", "bias": "b", "gamma": "gammas", "beta": "betas"}
_CONV_LEAVES = {"weight": "weights", "bias": "biases"}
# Our names without their leaf, whose word in a file replaces {} or, in a ConvBlock, {c}; and the
# file's.
_PLACES = {
    r"trunk\.input_conv": "input.{c}",
    r"trunk\.block(\d+)\.(conv\d)": r"residual.\1.\2.{c}",
    r"trunk\.block(\d+)\.se\.squeeze": r"residual.\1.se.{}1",
    r"trunk\.block(\d+)\.se\.excite": r"residual.\1.se.{}2",
    r"policy\.conv1": "policy1.{c}",
    r"policy\.conv2?": "policy.{c}",
    r"policy\.dense|policy\.embedding": "ip_pol_{}",
    r"policy\.moves\.query": "ip2_pol_{}",
    r"policy\.moves\.key": "ip3_pol_{}",
    r"policy\.moves\.promotion": "ip4_pol_w",
    r"(value|moves_left)\.conv": r"\1.{c}",
    r"(val|mov)\w+\.embedding": r"ip_\1_{}",
    r"(val|mov)\w+\.dense(\d)": r"ip\2_\1_{}",
    r"trunk\.embedding\.dense": "ip_emb_{}",
    r"trunk\.embedding\.preprocess": "ip_emb_preproc_{}",
    r"trunk\.norm": "ip_emb_ln_{}",
    r"trunk\.gate\.scale": "ip_mult_gate",
    r"trunk\.gate\.shift": "ip_add_gate",
    r"trunk\.mix\.(dense\d)": r"ip_emb_ffn.\1_{}",
    r"trunk\.mix\.norm": "ip_emb_ffn_ln_{}",
    r"trunk\.encoder\.table": "smolgen_w",
    r"layer\.attention\.([qkv])\w+": r"mha.\1_{}",
    r"layer\.attention\.output": "mha.dense_{}",
    r"layer\.norm": "ln1_{}",
    r"layer\.feed\.(dense\d)": r"ffn.\1_{}",
    r"layer\.feed\.norm": "ln2_{}",
    r"layer\.smolgen\.compress": "mha.smolgen.compress",
    r"layer\.smolgen\.(dense\d)": r"mha.smolgen.\1_{}",
    r"layer\.smolgen\.norm(\d)": r"mha.smolgen.ln\1_{}",
}
# Whose second axis begins with planes.
_COUNTER_READERS = {"trunk.input_conv.weight", "trunk.embedding.dense.weight"}
ByName = tuple[bool, bool]  # whether a file has its policy heads and its value heads by name


class ConvTensors(NamedTuple):
    """A convolution with the bias of `conv` or, if `norm` is not "", a batch norm."""

    block: str  # dotted name of Lc0's ConvBlock
    conv: str
    norm: str
    shape: tuple[int, int, int, int]


class Plain(NamedTuple):
    """A tensor that is no convolution's; the file's numbers are `scale` times as large."""

    # Dotted names of Lc0's Layer: where it is written, and where else it may stand.
    places: tuple[str, ...]
    name: str
    shape: tuple[int, ...]
    scale: float = 1.0


def stored_tensors(
    config: PlanesConfig, by_name: ByName, most: int = 1 << 40
) -> Iterator[ConvTensors | Plain]:
    """All tensors of a network in order. Raises ConfigError for more than `most` numbers, before
    reserving them.
    """
    shapes = {name: array.shape for name, array in config.blank(most).named_parameters().items()}
    for name, shape in shapes.items():
        path, _, leaf = name.rpartition(".")
        if re.search(r"\.conv\d?$|input_conv$", path):
            if leaf == "weight":
                norm = path.replace("conv", "norm")
                block = places_of(name, by_name)[0].removesuffix(".weights")
                yield ConvTensors(block, path, norm if f"{norm}.gamma" in shapes else "", shape)
        elif f"{path.replace('norm', 'conv')}.weight" not in shapes or "norm" not in path:
            scale = MOVES_LEFT_SCALE if path == "moves_left.dense2" else 1.0  # Lc0 counts plies.
            yield Plain(places_of(name, by_name), name, shape, scale)


def places_of(name: str, by_name: ByName) -> tuple[str, ...]:
    """Return the dotted names that one of our tensors may have in a file; the first is the one to
    write.
    """
    head, _, rest = name.partition(".")
    path, _, leaf = rest.rpartition(".")
    if leaf not in _LEAVES:
        path = rest
    before = ""
    encoder = "encoder"
    which = head.partition("_")[2]
    policies_by_name, values_by_name = by_name
    if head.startswith("policy"):
        head = "policy"
        encoder = "pol_encoder"
        if policies_by_name:
            before = f"policy_heads.{POLICY_PLACES[which or 'vanilla']}."
    elif head.startswith(("wdl", "value")):
        head = "value"
        if values_by_name:
            before = f"value_heads.{which or 'winner'}."
    if layer := re.match(r"encoder\.layer(\d+)", path):
        before += f"{encoder}.{layer[1]}."
        head = "layer"
        path = path[layer.end() + 1 :]
    matches = (
        (re.fullmatch(pattern, f"{head}.{path}"), place) for pattern, place in _PLACES.items()
    )
    place = next(match.expand(place) for match, place in matches if match)
    place = place.format(_LEAVES.get(leaf), c=_CONV_LEAVES.get(leaf))
    if before and place.startswith("ip_pol_"):
        return before + place, f"policy_heads.{place}", place
    return (before + place,)


def with_counter_times(factor: float, tensors: Tensors) -> Tensors:
    """Return a network's tensors with other weights of the fifty-move counter, which is not scaled
    before them.
    """
    if factor == 1.0:
        return tensors
    scaled = {name: np.array(tensors[name]) for name in _COUNTER_READERS & tensors.keys()}
    for array in scaled.values():
        array[:, FIFTY_MOVE_PLANE] *= factor
    unscaled: Any = tensors
    return ChainMap(scaled, unscaled)


# ---- parts of a message --------------------------------------------------------------------------


def count(layer: Message) -> int:
    """Return the number of elements of a tensor."""
    return len(layer.get("params", b"")) // (4 if layer.get("encoding") == FLOAT32 else 2)


def find(path: str | Path, message: Message, *names: str) -> Message:
    """Return the part of a message with the first of these dotted names that is there; numbers
    index repeated fields.

    Raises NetFileError, with the first name, when all are missing.
    """
    for name in names:
        part: Any = message
        for word in name.split("."):
            if isinstance(part, list):
                part = {str(number): item for number, item in enumerate(part)}
            part = part.get(word)
            if part is None:
                break
        else:
            return part
    raise NetFileError(path, f"a tensor {names[0]}", "none")


def put(message: Message, name: str, part: Any) -> None:
    """Set the part of a message with a dotted name; the parts of repeated fields come in the order
    of their numbers.
    """
    words = name.split(".")
    place: Any = message
    for word, following in pairwise(words):
        if isinstance(place, list):
            place.extend({} for _ in range(len(place), int(word) + 1))
            place = place[int(word)]
        else:
            place = place.setdefault(word, [] if following.isdigit() else {})
    place[words[-1]] = part
