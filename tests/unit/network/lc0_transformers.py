"""Transformers in Lc0's format with random tensors; `lc0_kept.py` has what lc0 answered on them."""

import numpy as np

from engine.files.wire import encode
from engine.network.lc0.schema import NET
from tests.unit.network.lc0_towers import Shapes, put, quantised

INNER = dict(zip("mish relu none tanh sigmoid selu swish relu2".split(), range(1, 9), strict=True))
ENCODINGS = {"LINEAR16": 1, "FLOAT16": 2, "BFLOAT16": 3, "FLOAT32": 4}
BASE = {
    "width": 32, "layers": 2, "heads": 4, "inner": 32, "hidden": 48, "network": 6, "input": 1, "default": "mish",
    "ffn": "", "smol": "", "embedding": 1, "planes": 0, "embedding_hidden": 0, "gate": False, "smolgen": (),
    "policy": (), "value": 2, "values": (), "left": True, "encoders": 0, "encoding": "LINEAR16", "shared": True,
    "wider": {},  # how many more numbers and units these value heads have
}  # fmt: skip
ALL_HEADS = {
    "policy": ("vanilla", "optimistic_st", "soft", "opponent"),
    "values": ("winner", "q", "st"),
}
DENSE = {"network": 7, "embedding": 2, "planes": 8, "embedding_hidden": 24, "gate": True, "smolgen": (8, 24, 16),
         "ffn": "relu2", "smol": "swish", **ALL_HEADS}  # fmt: skip
KINDS = {
    "map, relu": {"default": "relu"},
    "map, gates, smolgen": {"gate": True, "smolgen": (8, 24, 16), "ffn": "relu2", "smol": "swish"},
    "of 2022": {
        "network": 4,
        "smolgen": (4, 16, 8),
        "gate": True,
        "default": "relu",
        "embedding": 0,
    },
    "dense, all heads": DENSE,
    "dense, legacy, three layers of 64": {
        **DENSE,
        "network": 134,
        "width": 64,
        "inner": 64,
        "layers": 3,
        "heads": 8,
    },
    "dense by its heads": {**DENSE, "network": 6, "shared": False},
    "map, heads by name": {"network": 7, **ALL_HEADS},
    "narrow queries, odd sizes": {
        "width": 40,
        "inner": 18,
        "heads": 3,
        "hidden": 20,
        "smolgen": (3, 10, 5),
    },
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


def random_transformer(seed, **kind):
    """Return the file."""
    sizes = BASE | kind
    rng = np.random.default_rng(seed)
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
    weights = {
        "encoder": [{} for _ in range(sizes["layers"])],
        "headcount": sizes["heads"],
    }
    for head in sizes["policy"] or ("",):
        if sizes["encoders"]:
            place = weights.setdefault("policy_heads", {}).setdefault(head, {}) if head else weights
            place |= {"pol_encoder": [{} for _ in range(sizes["encoders"])], "pol_headcount": 2}
    for name, shape in _shapes(sizes).items():
        put(weights, name, _stored(_drawn(rng, name, shape), sizes["encoding"]))
    net = {
        "magic": 0x1C0,
        "format": {"weights_encoding": 1, "network_format": form},
        "weights": weights,
    }
    net["min_version"] = {"major": 0, "minor": 31, "patch": 0}
    return encode(net, NET)


def _shapes(s):
    shapes = Shapes()

    width = s["width"]
    shapes.dense("ip_emb", width, 112 + (s["planes"] or 64))
    if s["planes"]:
        shapes.dense("ip_emb_preproc", 64 * s["planes"], 768)
        shapes.norm("ip_emb_ln", width)
        shapes.dense("ip_emb_ffn.dense1", s["embedding_hidden"], width)
        shapes.dense("ip_emb_ffn.dense2", width, s["embedding_hidden"])
        shapes.norm("ip_emb_ffn_ln", width)
    if s["gate"]:
        shapes.update({"ip_mult_gate": (width, 64), "ip_add_gate": (width, 64)})
    if s["smolgen"]:
        shapes["smolgen_w"] = (4096, s["smolgen"][2])
    for n in range(s["layers"]):
        shapes.encoder(f"encoder.{n}", width, s["inner"], s["hidden"], s["heads"], s["smolgen"])
    if s["policy"] and s["shared"]:
        shapes.dense("policy_heads.ip_pol", 24, width)
    for head in s["policy"] or ("",):
        place = f"policy_heads.{head}." if head else ""
        if not head or not s["shared"]:
            shapes.dense(f"{place}ip_pol", 24, width)
        for n in range(s["encoders"]):
            shapes.encoder(f"{place}pol_encoder.{n}", 24, 16, 20, 2)
        shapes.dense(f"{place}ip2_pol", 12, 24)
        shapes.dense(f"{place}ip3_pol", 12, 24)
        shapes[f"{place}ip4_pol_w"] = (4, 12)
    for head in s["values"] or ("",):
        place = f"value_heads.{head}." if head else ""
        extra = s["wider"].get(head, 0)
        shapes.dense(f"{place}ip_val", 6 + extra, width)
        shapes.dense(f"{place}ip1_val", 20 + extra, (6 + extra) * 64)
        shapes.dense(f"{place}ip2_val", 3 if s["value"] == 2 else 1, 20 + extra)
    if s["left"]:
        shapes.dense("ip_mov", 3, width)
        shapes.dense("ip1_mov", 10, 3 * 64)
        shapes.dense("ip2_mov", 1, 10)
    return shapes


def _drawn(rng, name, shape):
    if name.endswith("gammas") or name == "ip_mult_gate":
        return rng.uniform(0.5, 1.5, shape)
    if name == "ip_add_gate" or len(shape) == 1:
        return rng.normal(0, 0.2, shape) + (30.0 if name == "ip2_mov_b" else 0.0)
    weight = rng.normal(0, (6.0 if name.endswith("ip2_mov_w") else 1.4) / np.sqrt(shape[-1]), shape)
    if name == "ip_emb_w":
        weight *= 2
        weight[:, 109] /= 30
    return weight


def _stored(tensor, encoding):
    if encoding == "LINEAR16":
        return quantised(tensor)
    stored = tensor.astype("<f2" if encoding == "FLOAT16" else "<f4")
    if encoding == "BFLOAT16":
        stored = (stored.view("<u4") >> 16).astype("<u2")
    return {"params": stored.tobytes(), "encoding": ENCODINGS[encoding]}
