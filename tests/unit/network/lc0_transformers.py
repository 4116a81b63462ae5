"""Transformers in Lc0's format with random tensors, and what such a net answers by a plain reading of lc0's formulas.

In float64 loops over NumPy; it shares no code with the reader, the layers or the fused path, only the wire format's
writer. `lc0_transformer_answers.py` has what lc0 itself answered.
"""

from __future__ import annotations

from typing import Any

import chess
import numpy as np

from engine.network.lc0.schema import NET
from engine.network.lc0.wire import encode
from tests.unit.network.lc0_plain import (
    _dense,
    _flat,
    _norm,
    _put,
    _quantised,
    _selu,
    attention_logits,
    encoder_layer,
)

Tensors = dict[str, np.ndarray]
INNER = {"mish": 1, "relu": 2, "none": 3, "tanh": 4, "sigmoid": 5, "selu": 6, "swish": 7, "relu2": 8}
ENCODINGS = {"LINEAR16": 1, "FLOAT16": 2, "BFLOAT16": 3, "FLOAT32": 4}
BASE: dict[str, Any] = {
    "width": 32, "layers": 2, "heads": 4, "inner": 32, "hidden": 48, "network": 6, "input": 1, "default": "mish",
    "ffn": "", "smol": "", "embedding": 1, "planes": 0, "embedding_hidden": 0, "gate": False, "smolgen": (),
    "policy": (), "value": 2, "values": (), "left": True, "encoders": 0, "encoding": "LINEAR16", "shared": True,
    "wider": {},  # how many more numbers and units these value heads have
}  # fmt: skip
ALL_HEADS = {"policy": ("vanilla", "optimistic_st", "soft", "opponent"), "values": ("winner", "q", "st")}
DENSE = {"network": 7, "embedding": 2, "planes": 8, "embedding_hidden": 24, "gate": True, "smolgen": (8, 24, 16),
         "ffn": "relu2", "smol": "swish", **ALL_HEADS}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "map, relu": {"default": "relu"},
    "map, gates, smolgen": {"gate": True, "smolgen": (8, 24, 16), "ffn": "relu2", "smol": "swish"},
    "of 2022": {"network": 4, "smolgen": (4, 16, 8), "gate": True, "default": "relu", "embedding": 0},
    "dense, all heads": DENSE,
    "dense, legacy, three layers of 64": {**DENSE, "network": 134, "width": 64, "inner": 64, "layers": 3, "heads": 8},
    "dense by its heads": {**DENSE, "network": 6, "shared": False},
    "map, heads by name": {"network": 7, **ALL_HEADS},
    "narrow queries, odd sizes": {"width": 40, "inner": 18, "heads": 3, "hidden": 20, "smolgen": (3, 10, 5)},
    "encoders in the policy head": {"encoders": 2},
    "scalar value, no moves left": {"value": 1, "left": False, "default": "relu"},
    "selu and tanh": {"ffn": "selu", "smol": "tanh", "smolgen": (4, 16, 8)},
    "sigmoid and none": {"ffn": "sigmoid", "smol": "none", "smolgen": (4, 16, 8)},
    "castling rooks as squares": {"input": 2},
    "canonical": {"input": 3, "gate": True},
    "canonical, hundreds": {"input": 4},
    "canonical, repeated positions": {**DENSE, "input": 5},
    "FLOAT16": {"encoding": "FLOAT16", "smolgen": (4, 16, 8)},
    "BFLOAT16": {"encoding": "BFLOAT16"},
    "FLOAT32": {"encoding": "FLOAT32"},
}


def random_transformer(seed: int, **kind: Any) -> tuple[bytes, dict[str, Any], Tensors]:
    """(file, sizes, tensors by Lc0's dotted names as the file holds them)."""
    sizes, rng, tensors = BASE | kind, np.random.default_rng(seed), {}
    form = {
        "input": sizes["input"], "output": sizes["value"], "network": sizes["network"], "policy": 3,
        "value": sizes["value"], "moves_left": int(sizes["left"]),
        "default_activation": int(sizes["default"] == "mish"),
    }  # fmt: skip
    for field, name in (("ffn_activation", "ffn"), ("smolgen_activation", "smol")):
        form |= {field: INNER[sizes[name]]} if sizes[name] else {}
    form |= {"input_embedding": sizes["embedding"]} if sizes["embedding"] else {}
    if sizes["network"] == 4:
        sizes |= {"ffn": "relu2", "smol": "swish"}
    weights: dict[str, Any] = {"encoder": [{} for _ in range(sizes["layers"])], "headcount": sizes["heads"]}
    for head in sizes["policy"] or ("",):
        if sizes["encoders"]:
            place = weights.setdefault("policy_heads", {}).setdefault(head, {}) if head else weights
            place |= {"pol_encoder": [{} for _ in range(sizes["encoders"])], "pol_headcount": 2}
    for name, shape in _shapes(sizes).items():
        layer, tensors[name] = _stored(_drawn(rng, name, shape), sizes["encoding"])
        _put(weights, name, layer)
    net = {"magic": 0x1C0, "format": {"weights_encoding": 1, "network_format": form}, "weights": weights}
    net["min_version"] = {"major": 0, "minor": 31, "patch": 0}
    return encode(net, NET), sizes, tensors


def _shapes(s: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def dense(name: str, outputs: int, inputs: int) -> None:
        shapes.update({f"{name}_w": (outputs, inputs), f"{name}_b": (outputs,)})

    def norm(name: str, size: int) -> None:
        shapes.update({f"{name}_gammas": (size,), f"{name}_betas": (size,)})

    def encoder(name: str, width: int, inner: int, hidden: int, heads: int, smolgen: tuple[int, ...]) -> None:
        for part in "qkv":
            dense(f"{name}.mha.{part}", inner, width)
        dense(f"{name}.mha.dense", width, inner)
        norm(f"{name}.ln1", width)
        dense(f"{name}.ffn.dense1", hidden, width)
        dense(f"{name}.ffn.dense2", width, hidden)
        norm(f"{name}.ln2", width)
        if smolgen:
            small, middle, generated = smolgen
            shapes[f"{name}.mha.smolgen.compress"] = (small, width)
            dense(f"{name}.mha.smolgen.dense1", middle, 64 * small)
            norm(f"{name}.mha.smolgen.ln1", middle)
            dense(f"{name}.mha.smolgen.dense2", heads * generated, middle)
            norm(f"{name}.mha.smolgen.ln2", heads * generated)

    width = s["width"]
    dense("ip_emb", width, 112 + (s["planes"] or 64))
    if s["planes"]:
        dense("ip_emb_preproc", 64 * s["planes"], 768)
        norm("ip_emb_ln", width)
        dense("ip_emb_ffn.dense1", s["embedding_hidden"], width)
        dense("ip_emb_ffn.dense2", width, s["embedding_hidden"])
        norm("ip_emb_ffn_ln", width)
    if s["gate"]:
        shapes.update({"ip_mult_gate": (width, 64), "ip_add_gate": (width, 64)})
    if s["smolgen"]:
        shapes["smolgen_w"] = (4096, s["smolgen"][2])
    for n in range(s["layers"]):
        encoder(f"encoder.{n}", width, s["inner"], s["hidden"], s["heads"], s["smolgen"])
    if s["policy"] and s["shared"]:
        dense("policy_heads.ip_pol", 24, width)
    for head in s["policy"] or ("",):
        place = f"policy_heads.{head}." if head else ""
        if not head or not s["shared"]:
            dense(f"{place}ip_pol", 24, width)
        for n in range(s["encoders"]):
            encoder(f"{place}pol_encoder.{n}", 24, 16, 20, 2, ())
        dense(f"{place}ip2_pol", 12, 24)
        dense(f"{place}ip3_pol", 12, 24)
        shapes[f"{place}ip4_pol_w"] = (4, 12)
    for head in s["values"] or ("",):
        place = f"value_heads.{head}." if head else ""
        more = s["wider"].get(head, 0)
        dense(f"{place}ip_val", 6 + more, width)
        dense(f"{place}ip1_val", 20 + more, (6 + more) * 64)
        dense(f"{place}ip2_val", 3 if s["value"] == 2 else 1, 20 + more)
    if s["left"]:
        dense("ip_mov", 3, width)
        dense("ip1_mov", 10, 3 * 64)
        dense("ip2_mov", 1, 10)
    return shapes


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("gammas") or name == "ip_mult_gate":
        return rng.uniform(0.5, 1.5, shape)
    if name == "ip_add_gate" or len(shape) == 1:
        return rng.normal(0, 0.2, shape) + (30.0 if name == "ip2_mov_b" else 0.0)
    weight = rng.normal(0, (6.0 if name.endswith("ip2_mov_w") else 1.4) / np.sqrt(shape[-1]), shape)
    if name == "ip_emb_w":
        weight *= 2
        weight[:, 109] /= 30
    return weight


def _stored(tensor: np.ndarray, encoding: str) -> tuple[dict[str, Any], np.ndarray]:
    if encoding == "LINEAR16":
        return _quantised(tensor)
    if encoding == "BFLOAT16":
        bits = tensor.astype("<f4").view("<u4") >> 16
        return {"params": bits.astype("<u2").tobytes(), "encoding": 3}, (bits << 16).view("<f4").astype(np.float64)
    stored = tensor.astype("<f2" if encoding == "FLOAT16" else "<f4")
    return {"params": stored.tobytes(), "encoding": ENCODINGS[encoding]}, stored.astype(np.float64)


# ---- a plain forward pass -------------------------------------------------------------------------------------------


def plain_transformer(
    s: dict[str, Any], t: Tensors, x: np.ndarray, policy: str = "", value: str = ""
) -> dict[str, Any]:
    """Planes [B, 112, 64] as lc0 gives them to the network -> logits [B, 1858], value [B], moves_left [B] plies."""
    act = ACTIVATIONS[s["default"]]
    feed, smol = (ACTIVATIONS[s[name] or s["default"]] for name in ("ffn", "smol"))
    dense_kind = s["planes"] > 0
    squares = x.swapaxes(1, 2)
    if dense_kind:
        more = _dense(t, "ip_emb_preproc", squares[:, :, :12].reshape(len(x), 768)).reshape(len(x), 64, -1)
    else:
        more = np.broadcast_to(_reach(), (len(x), 64, 64))
    y = act(_dense(t, "ip_emb", np.concatenate([squares, more], axis=2)))
    if dense_kind:
        y = _norm(t, "ip_emb_ln", y, 1e-3)
    if s["gate"]:
        y = y * t["ip_mult_gate"].T + t["ip_add_gate"].T
    alpha, epsilon = (2 * s["layers"]) ** -0.25, 1e-3 if dense_kind else 1e-6
    if dense_kind:
        inner = _dense(t, "ip_emb_ffn.dense2", feed(_dense(t, "ip_emb_ffn.dense1", y)))
        y = _norm(t, "ip_emb_ffn_ln", alpha * inner + y, 1e-3)
    for n in range(s["layers"]):
        y = encoder_layer(t, f"encoder.{n}", y, s["heads"], alpha, epsilon, feed, smol)
    answers = {"policy": _policy(s, t, y, act, feed, smol, policy)}
    at = f"value_heads.{value}." if value else ""
    out = _head(t, f"{at}ip{{}}_val", y, act)
    odds = np.exp(out)
    answers["value"] = np.tanh(out[:, 0]) if s["value"] == 1 else (odds[:, 0] - odds[:, 2]) / odds.sum(axis=1)
    answers["draw"] = np.zeros(len(x)) if s["value"] == 1 else odds[:, 1] / odds.sum(axis=1)
    answers["moves_left"] = np.maximum(_head(t, "ip{}_mov", y, act), 0)[:, 0] if s["left"] else np.zeros(len(x))
    return answers


def _policy(s: dict[str, Any], t: Tensors, y: np.ndarray, act: Any, feed: Any, smol: Any, head: str) -> np.ndarray:
    at = f"policy_heads.{head}." if head else ""
    embedding = f"{at}ip_pol" if f"{at}ip_pol_w" in t else "policy_heads.ip_pol"
    y = act(_dense(t, embedding, y))
    for n in range(s["encoders"]):
        y = encoder_layer(t, f"{at}pol_encoder.{n}", y, 2, 1.0, 1e-6, feed, smol)
    return attention_logits(_dense(t, f"{at}ip2_pol", y), _dense(t, f"{at}ip3_pol", y), t[f"{at}ip4_pol_w"])


def _head(t: Tensors, name: str, y: np.ndarray, act: Any) -> np.ndarray:
    return _dense(t, name.format(2), act(_dense(t, name.format(1), _flat(act(_dense(t, name.format(""), y))))))


def _reach() -> np.ndarray:
    """-1 on the square itself, 1 where a queen or a knight on an empty board gets."""
    places = -np.eye(64)
    for square in range(64):
        board = chess.Board(None)
        for piece in (chess.QUEEN, chess.KNIGHT):
            board.set_piece_at(square, chess.Piece(piece, chess.WHITE))
            places[square, list(board.attacks(square))] = 1
    return places


ACTIVATIONS: dict[str, Any] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "selu": _selu,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "none": lambda x: x,
}
