"""Towers in Lc0's format with random tensors."""

import numpy as np

from engine.files.wire import encode, parse
from engine.network.lc0.schema import NET

NUMBERS = {
    "classical": 1,
    "convolution": 2,
    "attention": 3,
    "scalar": 1,
    "wdl": 2,
    "relu": 0,
    "mish": 1,
}


def random_net(
    rng,
    policy="convolution",
    value="wdl",
    activation="relu",
    moves_left=True,
    gates=True,
    folded=False,
    filters=16,
    blocks=2,
    encoders=0,
    input_format=1,
):
    """Return the message for `encode`."""
    shapes = _shapes(policy, value, moves_left, gates, folded, filters, blocks, encoders)
    message = {"residual": [{} for _ in range(blocks)]}
    if encoders:
        message |= {"pol_encoder": [{} for _ in range(encoders)], "pol_headcount": 2}
    for name, shape in shapes.items():
        put(message, name, quantised(_draw(rng, name, shape)))
    network_format = {
        "input": input_format, "output": NUMBERS[value], "network": 4 if gates else 3, "policy": NUMBERS[policy],
        "value": NUMBERS[value], "moves_left": int(moves_left), "default_activation": NUMBERS[activation],
    }  # fmt: skip
    return {
        "magic": 0x1C0,
        "format": {"weights_encoding": 1, "network_format": network_format},
        "weights": message,
    }


def file_bytes(net):
    """The file of a message from `random_net`."""
    return encode(net, NET)


def changed(data, change):
    """A file of which the message was changed; a part that became None is left out."""
    net = parse("copy", memoryview(data), NET)
    change(net)
    return encode({name: part for name, part in net.items() if part is not None}, NET)


def in_format(**fields):
    return lambda net: net["format"]["network_format"].update(fields)


class Shapes(dict):
    """Shapes of tensors by their names."""

    def dense(self, name, outputs, inputs):
        self.update({f"{name}_w": (outputs, inputs), f"{name}_b": (outputs,)})

    def norm(self, name, size):
        self.update({f"{name}_gammas": (size,), f"{name}_betas": (size,)})

    def encoder(self, name, width, inner, hidden, heads=1, smolgen=()):
        for part in "qkv":
            self.dense(f"{name}.mha.{part}", inner, width)
        self.dense(f"{name}.mha.dense", width, inner)
        self.norm(f"{name}.ln1", width)
        self.dense(f"{name}.ffn.dense1", hidden, width)
        self.dense(f"{name}.ffn.dense2", width, hidden)
        self.norm(f"{name}.ln2", width)
        if smolgen:
            small, middle, generated = smolgen
            self[f"{name}.mha.smolgen.compress"] = (small, width)
            self.dense(f"{name}.mha.smolgen.dense1", middle, 64 * small)
            self.norm(f"{name}.mha.smolgen.ln1", middle)
            self.dense(f"{name}.mha.smolgen.dense2", heads * generated, middle)
            self.norm(f"{name}.mha.smolgen.ln2", heads * generated)


def _shapes(policy, value, moves_left, gates, folded, f, blocks, encoders):
    shapes = Shapes()

    def block(name, outputs, inputs, size, norm=True):
        shapes[f"{name}.weights"] = (outputs, inputs, size, size)
        names = (
            ["bn_means", "bn_stddivs", "bn_gammas", "bn_betas"]
            if norm and not folded
            else ["biases"]
        )
        if norm and not folded and name == "input":
            names = ["biases", "bn_means", "bn_stddivs"]  # a missing gamma is 1, a missing beta 0
        shapes.update({f"{name}.{part}": (outputs,) for part in names})

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
        shapes.dense("ip_pol", 1858, 6 * 64)
    else:
        shapes.dense("ip_pol", 20, f)
        shapes.dense("ip2_pol", 12, 20)
        shapes.dense("ip3_pol", 12, 20)
        shapes["ip4_pol_w"] = (4, 12)
        for n in range(encoders):
            shapes.encoder(f"pol_encoder.{n}", 20, 16, 30)
    block("value", 5, f, 1)
    shapes.dense("ip1_val", 24, 5 * 64)
    shapes.dense("ip2_val", 3 if value == "wdl" else 1, 24)
    if moves_left:
        block("moves_left", 3, f, 1)
        shapes.dense("ip1_mov", 10, 3 * 64)
        shapes.dense("ip2_mov", 1, 10)
    return shapes


def _draw(rng, name, shape):
    if name.endswith(("gammas", "stddivs")):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) == 1:
        return rng.normal(0, 0.2, shape) + (30.0 if name == "ip2_mov_b" else 0.0)
    scale = 2.0 if name.startswith("ip2_mov") else 1.2
    weight = rng.normal(0, scale / np.sqrt(np.prod(shape[1:])), shape)
    if name == "input.weights":
        weight[:, 109] /= 99
    return weight


def quantised(tensor):
    """Lc0's Layer."""
    low = 0.0 if tensor.size == 1 else float(np.float32(tensor.min()))
    high = float(np.float32(tensor.max()))
    steps = np.clip(np.rint((tensor - low) / (high - low) * 65535), 0, 65535)
    return {"min_val": low, "max_val": high, "params": steps.astype("<u2").tobytes()}


def holder_of(message, name):
    """What holds a part, which is made where it is missing, and the part's own name."""
    *parents, last = name.split(".")
    for word in parents:
        message = message[int(word)] if isinstance(message, list) else message.setdefault(word, {})
    return message, last


def put(message, name, layer):
    place, last = holder_of(message, name)
    place[last] = layer
