"""Which transformer one of Lc0's files holds, and where it holds each tensor: one table for reading and writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, NetFileError
from engine.network.input_formats import INPUT_FORMATS
from engine.network.lc0.schema import LINEAR16, format_name
from engine.network.lc0.tensor_map import Plain, count, encoder_tensors, feed_tensors, named, norm_tensors
from engine.network.lc0.wire import Message
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import PLANES
from engine.network.transformer.model import PIECE_PLANES, SQUARES, TransformerConfig, policy_name

ATTENTION_BODY, MULTIHEAD, LEGACY_MULTIHEAD = 6, 7, 134  # network structures
_SE_WITH_HEADS, _PE_MAP, _PE_DENSE = 4, 1, 2
_INNER = {1: "mish", 2: "relu", 3: "identity", 4: "tanh", 5: "sigmoid", 6: "selu", 7: "swish", 8: "squared_relu"}
_POLICY_FIELDS = {"vanilla": "vanilla", "optimistic": "optimistic_st", "soft": "soft", "opponent": "opponent"}
_VALUE_FIELDS = {name: name for name in ("winner", "q", "st")}
_TAKEN: dict[str, tuple[int, ...]] = {
    "input": INPUT_FORMATS,
    "policy": (3,),
    "value": (1, 2),
    "moves_left": (0, 1),
    "default_activation": (0, 1),
    "smolgen_activation": (0, *_INNER),
    "ffn_activation": (0, *_INNER),
    "input_embedding": (0, _PE_MAP, _PE_DENSE),
}
_DEFAULTS = dict.fromkeys(_TAKEN, 0) | {"input": 1, "policy": 1, "value": 1}


def is_transformer(form: Message, weights: Message) -> bool:
    """Whether a file's body is a transformer. Files of 2022 said NETWORK_SE_WITH_HEADFORMAT."""
    network = form.get("network", 0)
    return network in (ATTENTION_BODY, MULTIHEAD, LEGACY_MULTIHEAD) or (
        network == _SE_WITH_HEADS and bool(weights.get("encoder"))
    )


def transformer_of(path: str | Path, form: Message, weights: Message) -> TransformerConfig:
    """The sizes and heads of a file's transformer. Raises NetFileError, naming what it is, for one that is refused."""
    form = _settled(_DEFAULTS | form, weights)
    for field, taken in _TAKEN.items():
        if form[field] not in taken:
            names = " or ".join(format_name(field, number) for number in taken)
            raise NetFileError(path, names, format_name(field, form[field]))
    layers = weights.get("encoder", [])
    if not layers or weights.get("residual"):
        found = f"{len(layers)} of them behind {len(weights.get('residual', []))} residual blocks"
        raise NetFileError(path, "encoder layers on the squares themselves", found)
    if any(name in layer.get("mha", {}) for layer in layers for name in ("rpe_q", "rpe_k", "rpe_v")):
        raise NetFileError(path, "attention without relative positions", "rpe_q, rpe_k or rpe_v")
    with_smolgen = {"smolgen" in layer.get("mha", {}) for layer in layers}
    if len(with_smolgen) > 1:
        raise NetFileError(path, "smolgen in every encoder layer or none", "in some")
    default = "mish" if form["default_activation"] else "relu"
    sizes = _Sizes(path, weights)
    try:
        return TransformerConfig(
            **sizes.body(form["input_embedding"] == _PE_DENSE, with_smolgen.pop()),
            **sizes.heads(bool(form["moves_left"])),
            input_format=form["input"],
            value="wdl" if form["value"] == 2 else "scalar",
            activation=default,
            feed_activation=_INNER.get(form["ffn_activation"], default),
            smolgen_activation=_INNER.get(form["smolgen_activation"], default),
        )
    except ConfigError as error:
        raise NetFileError(path, "a transformer of a playable size", str(error)) from error


def _settled(form: Message, weights: Message) -> Message:
    """A format as lc0 takes it: what older files did not yet say."""
    heads = "policy_heads" in weights and "value_heads" in weights
    if form["network"] == _SE_WITH_HEADS:
        form["network"] = ATTENTION_BODY
        if "smolgen_w" in weights:
            form |= {"ffn_activation": 8, "smolgen_activation": 7}
    if form["network"] == ATTENTION_BODY and heads:
        form["input_embedding"] = _PE_DENSE
    return form


class _Sizes:
    """Sizes of tensors by Lc0's dotted names."""

    def __init__(self, path: str | Path, weights: Message) -> None:
        self.path, self.weights = path, weights

    def of(self, name: str) -> int:
        return count(self.path, self.weights, name)

    def ratio(self, name: str, divisor: int) -> int:
        size = self.of(name)
        if not size or size % max(divisor, 1):
            raise NetFileError(self.path, f"a multiple of {divisor} numbers in {name}", str(size))
        return size // divisor

    def body(self, dense_embedding: bool, smolgen: bool) -> dict[str, Any]:
        width, heads, weights = self.of("ip_emb_b"), int(self.weights.get("headcount", 0)), self.weights
        if ("ip_mult_gate" in weights) != ("ip_add_gate" in weights):
            raise NetFileError(self.path, "both gates or none", "one")
        sizes: dict[str, Any] = {
            "width": width,
            "layers": len(weights["encoder"]),
            "heads": heads,
            "gate": "ip_mult_gate" in weights,
        }
        sizes |= {"inner": self.of("encoder.0.mha.q_b"), "hidden": self.of("encoder.0.ffn.dense1_b")}
        if dense_embedding:
            sizes |= {"embedding_hidden": self.of("ip_emb_ffn.dense1_b"), "embedding": "dense"}
            sizes["embedding_planes"] = self.ratio("ip_emb_preproc_b", SQUARES)
        if smolgen:
            part = "encoder.0.mha.smolgen"
            sizes["smolgen_compressed"] = self.ratio(f"{part}.compress", width)
            sizes["smolgen_hidden"] = self.of(f"{part}.dense1_b")
            sizes["smolgen_generated"] = self.ratio(f"{part}.dense2_b", heads)
        return sizes

    def heads(self, moves_left: bool) -> dict[str, Any]:
        policies, values = ("policy_heads" in self.weights, "value_heads" in self.weights)
        names = _POLICY_FIELDS if policies else {"vanilla": ""}
        kept = tuple(name for name, field in names.items() if not policies or field in self.weights["policy_heads"])
        value_names = [name for name in _VALUE_FIELDS if values and name in self.weights["value_heads"]]
        if not kept or (values and not value_names):
            raise NetFileError(self.path, "a policy head and a value head that lc0 knows by name", "none")
        at, value_at = policy_place(kept[0], policies), _value_place(value_names[0]) if values else ""
        place = self.weights["policy_heads"][_POLICY_FIELDS[kept[0]]] if policies else self.weights
        sizes: dict[str, Any] = {"policy_heads": kept, "value_heads": tuple(value_names) or ("winner",)}
        embedding = next((name for name in _embedding_places(at, "ip_pol_b") if self._has(name)), f"{at}ip_pol_b")
        sizes |= {"policy_planes": self.of(embedding), "policy_depth": self.of(f"{at}ip2_pol_b")}
        sizes |= policy_encoder_sizes(self.path, self.weights, place, at)
        sizes |= {"value_channels": self.of(f"{value_at}ip_val_b"), "value_hidden": self.of(f"{value_at}ip1_val_b")}
        sizes["moves_left_channels"] = self.of("ip_mov_b") if moves_left else 0
        return sizes | ({"moves_left_hidden": self.of("ip1_mov_b")} if moves_left else {})

    def _has(self, name: str) -> bool:
        part: Any = self.weights
        for word in name.split("."):
            if word not in part:
                return False
            part = part[word]
        return True


def policy_encoder_sizes(path: str | Path, weights: Message, head: Message, place: str) -> dict[str, Any]:
    """The sizes of the encoder layers in a policy head, whose tensors' names begin with `place`; empty without."""
    encoders = head.get("pol_encoder", [])
    if not encoders:
        return {}
    if any("smolgen" in layer.get("mha", {}) for layer in encoders):
        raise NetFileError(path, "a policy head whose encoder layers have no smolgen", "smolgen")
    return {
        "policy_layers": len(encoders),
        "policy_attention_heads": int(head.get("pol_headcount", 0)) or 1,
        "policy_attention_inner": count(path, weights, f"{place}pol_encoder.0.mha.q_b"),
        "policy_attention_hidden": count(path, weights, f"{place}pol_encoder.0.ffn.dense1_b"),
    }


def transformer_format_of(config: TransformerConfig) -> Message:
    """The "format" message of a transformer's file."""
    numbers = {name: number for number, name in _INNER.items()}
    network = {
        "input": config.input_format,
        "output": 2 if config.value == "wdl" else 1,
        "network": MULTIHEAD if is_multihead(config) else ATTENTION_BODY,
        "policy": 3,
        "value": 2 if config.value == "wdl" else 1,
        "moves_left": 1 if config.moves_left_channels else 0,
        "default_activation": 1 if config.activation == "mish" else 0,
        "smolgen_activation": numbers[config.smolgen_activation],
        "ffn_activation": numbers[config.feed_activation],
        "input_embedding": _PE_DENSE if config.embedding == "dense" else _PE_MAP,
    }
    return {"weights_encoding": LINEAR16, "network_format": network}


def is_multihead(config: TransformerConfig) -> bool:
    """Whether a transformer's file has its heads by name."""
    only = (config.policy_heads, config.value_heads) == (("vanilla",), ("winner",))
    return config.embedding == "dense" or not only


# ---- tensors --------------------------------------------------------------------------------------------------------


def transformer_tensors(config: TransformerConfig, named_policies: bool, named_values: bool) -> Iterator[Plain]:
    """All tensors of a transformer, in a file that has its policy heads and its value heads by name, or not."""
    yield from _body_tensors(config)
    for head in config.policy_heads:
        yield from _policy_tensors(config, head, policy_place(head, named_policies))
    outputs = 3 if config.value == "wdl" else 1
    for head in config.value_heads:
        place, name = _value_place(head) if named_values else "", config.value_name(head)
        yield from _dense_head(config, f"{place}ip{{}}_val", name, config.value_channels, config.value_hidden, outputs)
    if config.moves_left_channels:
        sizes = config.moves_left_channels, config.moves_left_hidden, 1, MOVES_LEFT_SCALE  # Lc0 counts plies.
        yield from _dense_head(config, "ip{}_mov", "moves_left", *sizes)


def policy_place(head: str, by_name: bool) -> str:
    """The beginning of the dotted names of a policy head's tensors."""
    return f"policy_heads.{_POLICY_FIELDS[head]}." if by_name else ""


def _value_place(head: str) -> str:
    return f"value_heads.{_VALUE_FIELDS[head]}."


def _embedding_places(place: str, name: str) -> tuple[str, ...]:
    """Where a policy head finds its embedding: its own, the one of all heads, or the old place."""
    return f"{place}{name}", f"policy_heads.{name}", name


def _body_tensors(config: TransformerConfig) -> Iterator[Plain]:
    width, planes = config.width, config.embedding_planes
    yield from named("ip_emb", "trunk.embedding.dense", width, PLANES + (planes or SQUARES))
    if config.embedding == "dense":
        yield from named("ip_emb_preproc", "trunk.embedding.preprocess", SQUARES * planes, SQUARES * PIECE_PLANES)
        yield from norm_tensors("ip_emb_ln", "trunk.norm", width)
        yield from feed_tensors("ip_emb_ffn", "ip_emb_ffn_ln", "trunk.mix", width, config.embedding_hidden)
    if config.gate:
        yield Plain("ip_mult_gate", "trunk.gate.scale", (width, SQUARES))
        yield Plain("ip_add_gate", "trunk.gate.shift", (width, SQUARES))
    if config.smolgen_compressed:
        yield Plain("smolgen_w", "trunk.encoder.table", (SQUARES**2, config.smolgen_generated))
    yield from encoder_tensors("encoder", "trunk.encoder", config.layers, config.encoder_layer)


def _policy_tensors(config: TransformerConfig, head: str, place: str) -> Iterator[Plain]:
    planes, depth, name = config.policy_planes, config.policy_depth, policy_name(head)
    for field, part, shape in (("ip_pol_w", "weight", (planes, config.width)), ("ip_pol_b", "bias", (planes,))):
        own, *shared = _embedding_places(place, field)
        yield Plain(own, f"{name}.embedding.{part}", shape, elsewhere=tuple(shared))
    if config.policy_layers:
        layer = config.policy_encoder_layer
        yield from encoder_tensors(f"{place}pol_encoder", f"{name}.encoder", config.policy_layers, layer)
    yield from named(f"{place}ip2_pol", f"{name}.moves.query", depth, planes)
    yield from named(f"{place}ip3_pol", f"{name}.moves.key", depth, planes)
    yield Plain(f"{place}ip4_pol_w", f"{name}.moves.promotion", (4, depth))


def _dense_head(
    config: TransformerConfig, place: str, name: str, channels: int, hidden: int, outputs: int, scale: float = 1.0
) -> Iterator[Plain]:
    yield from named(place.format(""), f"{name}.embedding", channels, config.width)
    yield from named(place.format(1), f"{name}.dense1", hidden, SQUARES * channels)
    yield from named(place.format(2), f"{name}.dense2", outputs, hidden, scale)
