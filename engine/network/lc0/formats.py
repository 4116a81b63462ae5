"""Map Lc0's network formats to towers and transformers, and refuse formats without a network here
by name.
"""

from itertools import chain
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, NetFileError
from engine.files.wire import Message
from engine.network.families import PlanesConfig
from engine.network.fused.network_sizes import SQUARES
from engine.network.input_formats import INPUT_FORMATS
from engine.network.lc0.schema import FORMAT_NAMES, LINEAR16, format_name
from engine.network.lc0.tensor_map import POLICY_PLACES, VALUE_PLACES, count, find, places_of
from engine.network.planes import PLANES
from engine.network.tower.tower_model import TowerConfig
from engine.network.transformer.transformer_model import TransformerConfig

# Enumeration values in Lc0's numbering.
# network structures.
_CLASSICAL = 1
SE = 2
CLASSICAL_WITH_HEADS = 3
SE_WITH_HEADS = 4
_TOWERS = _CLASSICAL, SE, CLASSICAL_WITH_HEADS, SE_WITH_HEADS
_ATTENTION_BODY = 6
_MULTIHEAD = 7
_LEGACY_MULTIHEAD = 134
_TRANSFORMERS = (_ATTENTION_BODY, _MULTIHEAD, _LEGACY_MULTIHEAD)
_INNER = dict(enumerate("mish relu identity tanh sigmoid selu swish squared_relu".split(), 1))
_POLICIES = {1: "classical", 2: "convolution", 3: "attention"}
# Our name of each field, and what its numbers mean.
_OF_TOWERS: dict[str, tuple[str, dict[int, Any]]] = {
    "input": ("input_format", {number: number for number in INPUT_FORMATS}),
    "policy": ("policy", _POLICIES),
    "value": ("value", {1: "scalar", 2: "wdl"}),
    "moves_left": ("moves_left", {0: False, 1: True}),
    "default_activation": ("activation", {0: "relu", 1: "mish"}),
}
_OF_TRANSFORMERS = _OF_TOWERS | {
    "policy": ("policy", {3: "attention"}),
    "smolgen_activation": ("smolgen_activation", {0: None} | _INNER),  # None: as everywhere
    "ffn_activation": ("feed_activation", {0: None} | _INNER),
    "input_embedding": ("embedding", {0: "map", 1: "map", 2: "dense"}),
}
_DEFAULTS = dict.fromkeys(_OF_TRANSFORMERS, 0) | {"input": 1, "network": 1, "policy": 1, "value": 1}
# Lc0 version that first reads the oldest heads.
_MIN_VERSION = {"major": 0, "minor": 21, "patch": 0}
_MIN_MINOR_VERSIONS = {"moves_left": 23, "attention": 28, "mish": 29, "transformer": 31}


def network_of(path: str | Path, net: Message, to_play: bool) -> PlanesConfig:
    """Return the sizes and heads of the tower or transformer in a parsed file: all heads, or those
    that play.

    A file without a network format has 112 planes and classical heads; so do structures 1 and 2,
    whatever their other fields say. Raises NetFileError, naming the format, for anything that is no
    such network.
    """
    weights = net.get("weights")
    if weights is None:
        raise NetFileError(path, "weights", "an ONNX model" if "onnx_model" in net else "none")
    encoding = net.get("format", {}).get("weights_encoding", LINEAR16)
    if encoding not in (0, LINEAR16):  # unknown: every tensor says its own
        raise NetFileError(
            path, "weights encoded as LINEAR16", format_name("weights_encoding", encoding)
        )
    form = _settled(_DEFAULTS | net.get("format", {}).get("network_format", {}), weights)
    _check(path, form, "network", (*_TOWERS, *_TRANSFORMERS))
    is_tower = form["network"] in _TOWERS
    fields = {}
    for field, (name, meanings) in (_OF_TOWERS if is_tower else _OF_TRANSFORMERS).items():
        _check(path, form, field, tuple(meanings))
        fields[name] = meanings[form[field]]
    sizes = _Sizes(path, weights, fields, to_play)
    try:
        if is_tower:
            return sizes.tower()
        return sizes.transformer()
    except ConfigError as error:
        raise NetFileError(path, "a network of a playable size", str(error)) from error


def format_of(config: PlanesConfig) -> Message:
    """Return the "format" message of a network's file.

    Raises ConfigError for an activation that Lc0 lacks, and without blocks: lc0 then skips the
    first convolution.
    """
    network = {"output": 2 if config.value == "wdl" else 1}
    if isinstance(config, TowerConfig):
        if not config.blocks:
            raise ConfigError("lc0 does not play towers without residual blocks")
        network["network"] = SE_WITH_HEADS if config.se_ratio else CLASSICAL_WITH_HEADS
        table = _OF_TOWERS
    else:
        network["network"], table = _MULTIHEAD, _OF_TRANSFORMERS
    for field, (name, meanings) in table.items():
        if name == "moves_left":
            value = config.moves_left_channels > 0
        else:
            value = getattr(config, name)
        numbers = [number for number, meaning in meanings.items() if meaning == value]
        if not numbers:
            raise ConfigError(f"Lc0 has no networks with the {name} {value!r}")
        network[field] = numbers[-1]
    return {"weights_encoding": LINEAR16, "network_format": network}


def min_version_of(config: PlanesConfig) -> Message:
    """Return the oldest lc0 version that can play this network."""
    needs = {config.policy, config.activation}
    if isinstance(config, TransformerConfig):
        needs.add("transformer")
    if config.moves_left_channels:
        needs.add("moves_left")
    minor = max(_MIN_MINOR_VERSIONS.get(need, _MIN_VERSION["minor"]) for need in needs)
    return _MIN_VERSION | {"minor": minor}


def describe(form: Message) -> dict[str, str]:
    """Lc0's names for the values of a network format."""
    return {field: format_name(field, form[field]) for field in FORMAT_NAMES if field in form}


def _settled(form: Message, weights: Message) -> Message:
    """Return a format as lc0 takes it: what older files did not yet say. Those of 2022 called
    transformers towers.
    """
    if form["network"] == SE_WITH_HEADS and weights.get("encoder"):
        form["network"] = _ATTENTION_BODY
        if "smolgen_w" in weights:
            form |= {"ffn_activation": 8, "smolgen_activation": 7}
    if (
        form["network"] == _ATTENTION_BODY
        and "policy_heads" in weights
        and "value_heads" in weights
    ):
        form["input_embedding"] = 2
    if form["network"] in (_CLASSICAL, SE):
        form |= {"policy": 1, "value": 1}
    return form


def _check(path: str | Path, form: Message, field: str, allowed: tuple[int, ...]) -> None:
    if form[field] not in allowed:
        names = " or ".join(format_name(field, number) for number in allowed)
        raise NetFileError(path, names, format_name(field, form[field]))


class _Sizes:
    """Reads the sizes of a network off its file's tensors, by our names of them."""

    def __init__(
        self, path: str | Path, weights: Message, fields: dict[str, Any], to_play: bool
    ) -> None:
        self.path = path
        self.weights = weights
        self.fields = fields
        self._to_play = to_play
        self.moves_left = fields.pop("moves_left")
        self.by_name = "policy_heads" in weights, "value_heads" in weights

    def of(self, name: str, divisor: int = 1) -> int:
        """Elements of a tensor, of each of `divisor` parts."""
        # Sizes of 0 are refused later, by name.
        places = places_of(name, self.by_name)
        divisor = max(divisor, 1)
        size = count(find(self.path, self.weights, *places))
        if divisor > 1 and (size == 0 or size % divisor):
            raise NetFileError(
                self.path, f"a multiple of {divisor} numbers in {places[0]}", str(size)
            )
        return size // divisor

    def tower(self) -> TowerConfig:
        weights = self.weights
        policy = self.fields["policy"]
        if weights.get("encoder"):
            network = f"a transformer of {len(weights['encoder'])} encoder layers"
            raise NetFileError(self.path, "a convolutional tower", network)
        filters = self.of("trunk.input_conv.weight", PLANES * 9)
        sizes: dict[str, Any] = {
            "filters": filters,
            "blocks": len(weights.get("residual", [])),
            "se_ratio": self._gates(filters),
        }
        if policy == "attention":
            sizes |= self.attention()
        elif policy == "convolution":
            sizes["policy_planes"] = self.of("policy.conv2.bias")
        else:
            sizes["policy_planes"] = self.of("policy.conv.weight", filters)
        sizes |= self.answers("conv.weight", filters)
        return TowerConfig(**sizes, **self.fields)

    def answers(self, first: str, inputs: int = 1) -> dict[str, int]:
        """Return the sizes of the value head and of moves left, whose first tensor takes so many
        inputs.
        """
        sizes = {"moves_left_channels": 0}
        heads = ["value"]
        if self.moves_left:
            heads.append("moves_left")
        for head in heads:
            sizes[f"{head}_channels"] = self.of(f"{head}.{first}", inputs)
            sizes[f"{head}_hidden"] = self.of(f"{head}.dense1.bias")
        return sizes

    def _gates(self, filters: int) -> int:
        """Return the ratio of the filters to the hidden units of the blocks' gates; 0 without
        gates.
        """
        residual = self.weights.get("residual", [])
        gates = [count(find(self.path, block, "se.b1")) for block in residual if "se" in block]
        if not gates:
            return 0
        hidden = gates[0]
        if (
            not 0 < hidden <= filters
            or filters // (filters // hidden) != hidden
            or len(gates) < len(residual)
        ):
            gated = f"{sorted(set(gates))} in {len(gates)} of {len(residual)} blocks"
            raise NetFileError(
                self.path, f"gates of {filters} divided by a ratio, in every block or none", gated
            )
        return filters // hidden

    def transformer(self) -> TransformerConfig:
        self._check_body()
        weights = self.weights
        fields = self.fields
        layer = "trunk.encoder.layer0"
        del fields["policy"]
        for name in ("feed_activation", "smolgen_activation"):
            fields[name] = fields[name] or fields["activation"]
        width = self.of("trunk.embedding.dense.bias")
        heads = int(weights.get("headcount", 0))
        sizes: dict[str, Any] = {
            "width": width,
            "layers": len(weights["encoder"]),
            "heads": heads,
            "gate": "ip_mult_gate" in weights,
            "inner": self.of(f"{layer}.attention.query.bias"),
            "hidden": self.of(f"{layer}.feed.dense1.bias"),
        }
        if fields["embedding"] == "dense":
            sizes["embedding_hidden"] = self.of("trunk.mix.dense1.bias")
            sizes["embedding_planes"] = self.of("trunk.embedding.preprocess.bias", SQUARES)
        if "smolgen" in weights["encoder"][0].get("mha", {}):
            sizes["smolgen_compressed"] = self.of(f"{layer}.smolgen.compress", width)
            sizes["smolgen_hidden"] = self.of(f"{layer}.smolgen.dense1.bias")
            sizes["smolgen_generated"] = self.of(f"{layer}.smolgen.dense2.bias", heads)
        return TransformerConfig(**sizes, **self._heads(), **fields)

    def _check_body(self) -> None:
        layers, blocks = self.weights.get("encoder", []), self.weights.get("residual", [])
        if not layers or blocks:
            layers_there = f"{len(layers)} of them behind {len(blocks)} residual blocks"
            raise NetFileError(self.path, "encoder layers on the squares themselves", layers_there)
        attentions = [layer.get("mha", {}) for layer in layers]
        if not {"rpe_q", "rpe_k", "rpe_v"}.isdisjoint(chain.from_iterable(attentions)):
            raise NetFileError(
                self.path, "attention without relative positions", "rpe_q, rpe_k or rpe_v"
            )
        if len({"smolgen" in attention for attention in attentions}) > 1:
            raise NetFileError(self.path, "smolgen in every encoder layer or none", "in some")
        if ("ip_mult_gate" in self.weights) != ("ip_add_gate" in self.weights):
            raise NetFileError(self.path, "both gates or none", "one")

    def _heads(self) -> dict[str, Any]:
        heads: dict[str, Any] = {}
        for field, names in (("policy_heads", POLICY_PLACES), ("value_heads", VALUE_PLACES)):
            if field in self.weights and not self._to_play:
                messages = self.weights[field]
                heads[field] = tuple(name for name, place in names.items() if messages.get(place))
        return heads | self.answers("embedding.bias") | self.attention()

    def attention(self) -> dict[str, Any]:
        """Return the sizes of an attention policy."""
        sizes = {"policy_planes": self.of("policy.embedding.bias")}
        sizes["policy_depth"] = self.of("policy.moves.query.bias")
        message = self.weights
        if self.by_name[0]:
            message = find(self.path, message, "policy_heads.vanilla")
        if encoders := message.get("pol_encoder", []):
            if any("smolgen" in layer.get("mha", {}) for layer in encoders):
                raise NetFileError(
                    self.path, "a policy head whose encoder layers have no smolgen", "smolgen"
                )
            layer = "policy.encoder.layer0"
            sizes["policy_layers"] = len(encoders)
            sizes["policy_attention_heads"] = int(message.get("pol_headcount", 0)) or 1
            sizes["policy_attention_inner"] = self.of(f"{layer}.attention.query.bias")
            sizes["policy_attention_hidden"] = self.of(f"{layer}.feed.dense1.bias")
        return sizes
