"""Files in Lc0's format with random tensors, and what such a net answers by a plain reading of the format.

Written from the description of the format alone, in float64 loops over NumPy: it shares no code with the reader, the
layers or the fused path, only the wire format's writer, which `test_lc0_wire.py` checks against bytes written by hand.
"""

from __future__ import annotations

from typing import Any

import chess
import numpy as np

from engine.network.lc0.schema import NET
from engine.network.lc0.wire import encode
from tests.unit.network.planes_reference import POLICY_NAMES, plain_conv_index

Tensors = dict[str, np.ndarray]
NUMBERS = {"classical": 1, "convolution": 2, "attention": 3, "scalar": 1, "wdl": 2, "relu": 0, "mish": 1}


def random_net(
    rng: np.random.Generator,
    policy: str = "convolution",
    value: str = "wdl",
    activation: str = "relu",
    moves_left: bool = True,
    gates: bool = True,
    folded: bool = False,
    filters: int = 16,
    blocks: int = 2,
    encoders: int = 0,
) -> tuple[dict[str, Any], Tensors]:
    """(message for `encode`, tensors by Lc0's dotted names, as the 16-bit file holds them)."""
    shapes = _shapes(policy, value, moves_left, gates, folded, filters, blocks, encoders)
    message: dict[str, Any] = {"residual": [{} for _ in range(blocks)]}
    if encoders:
        message |= {"pol_encoder": [{} for _ in range(encoders)], "pol_headcount": 2}
    tensors: Tensors = {}
    for name, shape in shapes.items():
        layer, tensors[name] = _quantised(_draw(rng, name, shape))
        _put(message, name, layer)
    network_format = {
        "input": 1,
        "output": NUMBERS[value],
        "network": 4 if gates else 3,
        "policy": NUMBERS[policy],
        "value": NUMBERS[value],
        "moves_left": int(moves_left),
        "default_activation": NUMBERS[activation],
    }
    net = {"magic": 0x1C0, "format": {"weights_encoding": 1, "network_format": network_format}, "weights": message}
    return net, tensors


def file_bytes(net: dict[str, Any]) -> bytes:
    """The file of a message from `random_net`."""
    return encode(net, NET)


def _shapes(
    policy: str, value: str, moves_left: bool, gates: bool, folded: bool, f: int, blocks: int, encoders: int
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def block(name: str, outputs: int, inputs: int, size: int, norm: bool = True) -> None:
        shapes[f"{name}.weights"] = (outputs, inputs, size, size)
        names = ["bn_means", "bn_stddivs", "bn_gammas", "bn_betas"] if norm and not folded else ["biases"]
        if norm and not folded and name == "input":
            names = ["biases", "bn_means", "bn_stddivs"]  # a missing gamma is 1, a missing beta 0
        shapes.update({f"{name}.{part}": (outputs,) for part in names})

    def dense(name: str, outputs: int, inputs: int) -> None:
        shapes[f"{name}_w"], shapes[f"{name}_b"] = (outputs, inputs), (outputs,)

    block("input", f, 112, 3)
    for b in range(blocks):
        block(f"residual.{b}.conv1", f, f, 3)
        block(f"residual.{b}.conv2", f, f, 3)
        if gates:
            shapes |= {f"residual.{b}.se.w1": (4, f), f"residual.{b}.se.b1": (4,)}
            shapes |= {f"residual.{b}.se.w2": (2 * f, 4), f"residual.{b}.se.b2": (2 * f,)}
    if policy == "convolution":
        block("policy1", f, f, 3)
        block("policy", 80, f, 3, norm=False)
    elif policy == "classical":
        block("policy", 6, f, 1)
        dense("ip_pol", 1858, 6 * 64)
    else:
        dense("ip_pol", 20, f)
        dense("ip2_pol", 12, 20)
        dense("ip3_pol", 12, 20)
        shapes["ip4_pol_w"] = (4, 12)
        for n in range(encoders):
            for part in ("mha.q", "mha.k", "mha.v"):
                dense(f"pol_encoder.{n}.{part}", 16, 20)
            dense(f"pol_encoder.{n}.mha.dense", 20, 16)
            dense(f"pol_encoder.{n}.ffn.dense1", 30, 20)
            dense(f"pol_encoder.{n}.ffn.dense2", 20, 30)
            shapes.update({f"pol_encoder.{n}.ln{i}_{part}": (20,) for i in (1, 2) for part in ("gammas", "betas")})
    block("value", 5, f, 1)
    dense("ip1_val", 24, 5 * 64)
    dense("ip2_val", 3 if value == "wdl" else 1, 24)
    if moves_left:
        block("moves_left", 3, f, 1)
        dense("ip1_mov", 10, 3 * 64)
        dense("ip2_mov", 1, 10)
    return shapes


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith(("gammas", "stddivs")):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) == 1:
        return rng.normal(0, 0.2, shape) + (30.0 if name == "ip2_mov_b" else 0.0)
    scale = 2.0 if name.startswith("ip2_mov") else 1.2
    weight = rng.normal(0, scale / np.sqrt(np.prod(shape[1:])), shape)
    if name == "input.weights":
        weight[:, 109] /= 99
    return weight


def _quantised(tensor: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Lc0's Layer, and the numbers it stands for."""
    low = 0.0 if tensor.size == 1 else float(np.float32(tensor.min()))
    high = float(np.float32(tensor.max()))
    steps = np.clip(np.rint((tensor - low) / (high - low) * 65535), 0, 65535)
    t = steps / 65535
    return {"min_val": low, "max_val": high, "params": steps.astype("<u2").tobytes()}, (1 - t) * low + t * high


def _put(message: dict[str, Any], name: str, layer: dict[str, Any]) -> None:
    place: Any = message
    words = name.split(".")
    for word in words[:-1]:
        place = place[int(word)] if isinstance(place, list) else place.setdefault(word, {})
    place[words[-1]] = layer


# ---- a plain forward pass -----------------------------------------------------------------------------------------


def plain_answers(net: dict[str, Any], tensors: Tensors, x: np.ndarray) -> dict[str, np.ndarray]:
    """Planes [B, 112, 8, 8] -> policy [B, 1858], value [B] win - loss, and moves_left [B] plies where there is one."""
    form = net["format"]["network_format"]
    act = _mish if form["default_activation"] else _relu
    body = act(_block(tensors, "input", x))
    for b in range(len(net["weights"]["residual"])):
        inner = act(_block(tensors, f"residual.{b}.conv1", body))
        inner = _block(tensors, f"residual.{b}.conv2", inner)
        if f"residual.{b}.se.w1" in tensors:
            inner = _gated(tensors, f"residual.{b}.se", inner, act)
        body = act(inner + body)
    answers = {"policy": _policy(tensors, form["policy"], body, act)}
    out = _dense(tensors, "ip2_val", act(_dense(tensors, "ip1_val", _flat(act(_block(tensors, "value", body))))))
    if form["value"] == 2:
        odds = np.exp(out)
        answers["value"] = (odds[:, 0] - odds[:, 2]) / odds.sum(axis=1)
    else:
        answers["value"] = np.tanh(out[:, 0])
    if form["moves_left"]:
        hidden = act(_dense(tensors, "ip1_mov", _flat(act(_block(tensors, "moves_left", body)))))
        answers["moves_left"] = _relu(_dense(tensors, "ip2_mov", hidden))[:, 0]
    return answers


def _policy(tensors: Tensors, kind: int, body: np.ndarray, act: Any) -> np.ndarray:
    batch = len(body)
    if kind == 1:
        return _dense(tensors, "ip_pol", _flat(act(_block(tensors, "policy", body))))
    if kind == 2:
        planes = _flat(_block(tensors, "policy", act(_block(tensors, "policy1", body))))
        return planes[:, [plain_conv_index(name) for name in POLICY_NAMES]]
    squares, n = body.reshape(batch, -1, 64).transpose(0, 2, 1), -1
    embedded = _selu(_dense(tensors, "ip_pol", squares))
    while f"pol_encoder.{(n := n + 1)}.mha.q_w" in tensors:
        embedded = encoder_layer(tensors, f"pol_encoder.{n}", embedded, 2, 1.0, 1e-6, _selu)
    query, key = _dense(tensors, "ip2_pol", embedded), _dense(tensors, "ip3_pol", embedded)
    return attention_logits(query, key, tensors["ip4_pol_w"])


def attention_logits(query: np.ndarray, key: np.ndarray, promotion: np.ndarray) -> np.ndarray:
    """Queries and keys [B, 64, d] and promotions [4, d] -> logits [B, 1858]."""
    logits = np.zeros((len(query), 1858))
    for number, name in enumerate(POLICY_NAMES):
        source, target = chess.parse_square(name[:2]), chess.parse_square(name[2:4])
        logits[:, number] = (query[:, source] * key[:, target]).sum(axis=1) / np.sqrt(query.shape[2])
        if len(name) == 5:
            logits[:, number] += key[:, target] @ promotion[["qrb".index(name[4]), 3]].sum(axis=0)
    return logits


def encoder_layer(
    t: Tensors, name: str, x: np.ndarray, heads: int, alpha: float, epsilon: float, feed: Any, smol: Any = None
) -> np.ndarray:
    """A layer after attention and after its two dense layers normed; x [B, 64, C]."""
    q, k, v = (_dense(t, f"{name}.mha.{part}", x).reshape(len(x), 64, heads, -1).swapaxes(1, 2) for part in "qkv")
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[3])
    if f"{name}.mha.smolgen.compress" in t:
        at = f"{name}.mha.smolgen"
        codes = _norm(t, f"{at}.ln1", smol(_dense(t, f"{at}.dense1", _flat(x @ t[f"{at}.compress"].T))), 1e-3)
        codes = _norm(t, f"{at}.ln2", smol(_dense(t, f"{at}.dense2", codes)), 1e-3)
        scores = scores + (codes.reshape(len(x), heads, -1) @ t["smolgen_w"].T).reshape(scores.shape)
    odds = np.exp(scores - scores.max(axis=3, keepdims=True))
    mixed = (odds / odds.sum(axis=3, keepdims=True) @ v).swapaxes(1, 2).reshape(len(x), 64, -1)
    x = _norm(t, f"{name}.ln1", alpha * _dense(t, f"{name}.mha.dense", mixed) + x, epsilon)
    inner = _dense(t, f"{name}.ffn.dense2", feed(_dense(t, f"{name}.ffn.dense1", x)))
    return _norm(t, f"{name}.ln2", alpha * inner + x, epsilon)


def _norm(t: Tensors, name: str, x: np.ndarray, epsilon: float) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return scaled * t[f"{name}_gammas"] + t[f"{name}_betas"]


def _block(tensors: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    """Convolution, bias, batch norm."""
    weight = tensors[f"{name}.weights"]
    channels = np.zeros(len(weight))
    y = _convolution(x, weight) + tensors.get(f"{name}.biases", channels)[:, None, None]
    if f"{name}.bn_means" not in tensors:
        return y
    mean, variance = tensors[f"{name}.bn_means"], tensors[f"{name}.bn_stddivs"]
    gamma, beta = tensors.get(f"{name}.bn_gammas", channels + 1), tensors.get(f"{name}.bn_betas", channels)
    scaled = (y - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
    return scaled * gamma[:, None, None] + beta[:, None, None]


def _convolution(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    size = weight.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    y = np.zeros((len(x), len(weight), 8, 8))
    for i in range(size):
        for j in range(size):
            y += np.einsum("bcyx,kc->bkyx", padded[:, :, i : i + 8, j : j + 8], weight[:, :, i, j])
    return y


def _gated(tensors: Tensors, name: str, x: np.ndarray, act: Any) -> np.ndarray:
    hidden = act(x.mean(axis=(2, 3)) @ tensors[f"{name}.w1"].T + tensors[f"{name}.b1"])
    both = hidden @ tensors[f"{name}.w2"].T + tensors[f"{name}.b2"]
    scale, shift = np.split(both[:, :, None, None], 2, axis=1)
    return x / (1 + np.exp(-scale)) + shift


def _dense(tensors: Tensors, name: str, x: np.ndarray) -> np.ndarray:
    return x @ tensors[f"{name}_w"].T + tensors[f"{name}_b"]


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def _mish(x: np.ndarray) -> np.ndarray:
    return x * np.tanh(np.log1p(np.exp(x)))


def _selu(x: np.ndarray) -> np.ndarray:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))
