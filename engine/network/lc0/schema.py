"""Lc0's `net.proto`: field numbers of its messages, and the names of its formats.

It covers what towers and transformers have, and the fields that reveal that a file holds something else.
"""

from __future__ import annotations

from pathlib import Path

from engine.network.lc0.wire import Field, Schema

MAGIC = 0x1C0
NET_START = b"\x0d" + MAGIC.to_bytes(4, "little")  # field 1, fixed32
GZIP_MAGIC = b"\x1f\x8b"
LINEAR16 = 1  # encoding of tensors as 16-bit steps from the smallest to the largest value
FLOAT16, BFLOAT16, FLOAT32 = 2, 3, 4  # the others
MAX_STEP = 65535  # number of the step that stands for the largest value

LAYER: Schema = {
    1: Field("min_val", "float"),
    2: Field("max_val", "float"),
    3: Field("params", "bytes"),
    4: Field("encoding", "uint"),
}
CONV_BLOCK: Schema = {
    1: Field("weights", LAYER),
    2: Field("biases", LAYER),
    3: Field("bn_means", LAYER),
    4: Field("bn_stddivs", LAYER),  # the variances, in spite of their name
    5: Field("bn_gammas", LAYER),
    6: Field("bn_betas", LAYER),
}
SE_UNIT: Schema = {number: Field(name, LAYER) for number, name in enumerate(("w1", "b1", "w2", "b2"), 1)}
RESIDUAL: Schema = {1: Field("conv1", CONV_BLOCK), 2: Field("conv2", CONV_BLOCK), 3: Field("se", SE_UNIT)}
OPAQUE: Schema = {}  # a message whose presence alone matters


def _layers(*names: str) -> Schema:
    """A message of tensors, numbered from 1."""
    return {number: Field(name, LAYER) for number, name in enumerate(names, 1)}


SMOLGEN = _layers(
    "compress", "dense1_w", "dense1_b", "ln1_gammas", "ln1_betas", "dense2_w", "dense2_b", "ln2_gammas", "ln2_betas"
)
MHA: Schema = {
    **_layers("q_w", "q_b", "k_w", "k_b", "v_w", "v_b", "dense_w", "dense_b"),
    9: Field("smolgen", SMOLGEN),
    10: Field("rpe_q", OPAQUE),
    11: Field("rpe_k", OPAQUE),
    12: Field("rpe_v", OPAQUE),
}
FFN = _layers("dense1_w", "dense1_b", "dense2_w", "dense2_b")
ENCODER_LAYER: Schema = {
    1: Field("mha", MHA),
    2: Field("ln1_gammas", LAYER),
    3: Field("ln1_betas", LAYER),
    4: Field("ffn", FFN),
    5: Field("ln2_gammas", LAYER),
    6: Field("ln2_betas", LAYER),
}
POLICY_HEAD: Schema = {
    **_layers("ip_pol_w", "ip_pol_b", "ip2_pol_w", "ip2_pol_b", "ip3_pol_w", "ip3_pol_b", "ip4_pol_w"),
    8: Field("pol_encoder", ENCODER_LAYER, repeated=True),
    9: Field("pol_headcount", "uint"),
}
POLICY_HEADS: Schema = {
    **_layers("ip_pol_w", "ip_pol_b"),
    **{
        3 + number: Field(name, POLICY_HEAD)
        for number, name in enumerate(("vanilla", "optimistic_st", "soft", "opponent"))
    },
}
VALUE_HEAD = _layers("ip_val_w", "ip_val_b", "ip1_val_w", "ip1_val_b", "ip2_val_w", "ip2_val_b")
VALUE_HEADS: Schema = {number: Field(name, VALUE_HEAD) for number, name in enumerate(("winner", "q", "st"), 1)}
WEIGHTS_SCHEMA: Schema = {
    1: Field("input", CONV_BLOCK),
    2: Field("residual", RESIDUAL, repeated=True),
    3: Field("policy", CONV_BLOCK),
    4: Field("ip_pol_w", LAYER),
    5: Field("ip_pol_b", LAYER),
    6: Field("value", CONV_BLOCK),
    7: Field("ip1_val_w", LAYER),
    8: Field("ip1_val_b", LAYER),
    9: Field("ip2_val_w", LAYER),
    10: Field("ip2_val_b", LAYER),
    11: Field("policy1", CONV_BLOCK),
    12: Field("moves_left", CONV_BLOCK),
    13: Field("ip1_mov_w", LAYER),
    14: Field("ip1_mov_b", LAYER),
    15: Field("ip2_mov_w", LAYER),
    16: Field("ip2_mov_b", LAYER),
    17: Field("ip2_pol_w", LAYER),
    18: Field("ip2_pol_b", LAYER),
    19: Field("ip3_pol_w", LAYER),
    20: Field("ip3_pol_b", LAYER),
    21: Field("pol_encoder", ENCODER_LAYER, repeated=True),
    22: Field("ip4_pol_w", LAYER),
    24: Field("pol_headcount", "uint"),
    25: Field("ip_emb_w", LAYER),
    26: Field("ip_emb_b", LAYER),
    27: Field("encoder", ENCODER_LAYER, repeated=True),
    28: Field("headcount", "uint"),
    29: Field("ip_val_w", LAYER),
    30: Field("ip_val_b", LAYER),
    31: Field("ip_mov_w", LAYER),
    32: Field("ip_mov_b", LAYER),
    33: Field("ip_mult_gate", LAYER),
    34: Field("ip_add_gate", LAYER),
    35: Field("smolgen_w", LAYER),
    37: Field("ip_emb_preproc_w", LAYER),
    38: Field("ip_emb_preproc_b", LAYER),
    39: Field("ip_emb_ln_gammas", LAYER),
    40: Field("ip_emb_ln_betas", LAYER),
    41: Field("ip_emb_ffn", FFN),
    42: Field("ip_emb_ffn_ln_gammas", LAYER),
    43: Field("ip_emb_ffn_ln_betas", LAYER),
    44: Field("value_heads", VALUE_HEADS),
    45: Field("policy_heads", POLICY_HEADS),
}
VERSION: Schema = {1: Field("major", "uint"), 2: Field("minor", "uint"), 3: Field("patch", "uint")}
NETWORK_FORMAT: Schema = {
    1: Field("input", "uint"),
    2: Field("output", "uint"),
    3: Field("network", "uint"),
    4: Field("policy", "uint"),
    5: Field("value", "uint"),
    6: Field("moves_left", "uint"),
    7: Field("default_activation", "uint"),
    8: Field("smolgen_activation", "uint"),
    9: Field("ffn_activation", "uint"),
    10: Field("input_embedding", "uint"),
}
FORMAT: Schema = {1: Field("weights_encoding", "uint"), 2: Field("network_format", NETWORK_FORMAT)}
TRAINING: Schema = {
    1: Field("training_steps", "uint"),
    2: Field("learning_rate", "float"),
    3: Field("mse_loss", "float"),
    4: Field("policy_loss", "float"),
    5: Field("accuracy", "float"),
    6: Field("lc0_params", "text"),
}
NET: Schema = {
    1: Field("magic", "fixed32"),
    2: Field("license", "text"),
    3: Field("min_version", VERSION),
    4: Field("format", FORMAT),
    5: Field("training_params", TRAINING),
    10: Field("weights", WEIGHTS_SCHEMA),
    11: Field("onnx_model", OPAQUE),
}

_INNER_ACTIVATIONS = dict(
    enumerate(f"ACTIVATION_{name}" for name in "DEFAULT MISH RELU NONE TANH SIGMOID SELU SWISH RELU_2 SOFTMAX".split())
)
FORMAT_NAMES: dict[str, dict[int, str]] = {
    "weights_encoding": {0: "UNKNOWN_ENCODING", 1: "LINEAR16", 2: "FLOAT16", 3: "BFLOAT16", 4: "FLOAT32"},
    "input": {
        0: "INPUT_UNKNOWN",
        1: "INPUT_CLASSICAL_112_PLANE",
        2: "INPUT_112_WITH_CASTLING_PLANE",
        3: "INPUT_112_WITH_CANONICALIZATION",
        4: "INPUT_112_WITH_CANONICALIZATION_HECTOPLIES",
        5: "INPUT_112_WITH_CANONICALIZATION_V2",
        132: "INPUT_112_WITH_CANONICALIZATION_HECTOPLIES_ARMAGEDDON",
        133: "INPUT_112_WITH_CANONICALIZATION_V2_ARMAGEDDON",
    },
    "network": {
        0: "NETWORK_UNKNOWN",
        1: "NETWORK_CLASSICAL",
        2: "NETWORK_SE",
        3: "NETWORK_CLASSICAL_WITH_HEADFORMAT",
        4: "NETWORK_SE_WITH_HEADFORMAT",
        5: "NETWORK_ONNX",
        6: "NETWORK_ATTENTIONBODY_WITH_HEADFORMAT",
        7: "NETWORK_ATTENTIONBODY_WITH_MULTIHEADFORMAT",
        134: "NETWORK_AB_LEGACY_WITH_MULTIHEADFORMAT",
    },
    "policy": {0: "POLICY_UNKNOWN", 1: "POLICY_CLASSICAL", 2: "POLICY_CONVOLUTION", 3: "POLICY_ATTENTION"},
    "value": {0: "VALUE_UNKNOWN", 1: "VALUE_CLASSICAL", 2: "VALUE_WDL", 3: "VALUE_PARAM"},
    "moves_left": {0: "MOVES_LEFT_NONE", 1: "MOVES_LEFT_V1"},
    "default_activation": {0: "DEFAULT_ACTIVATION_RELU", 1: "DEFAULT_ACTIVATION_MISH"},
    "smolgen_activation": _INNER_ACTIVATIONS,
    "ffn_activation": _INNER_ACTIVATIONS,
    "input_embedding": {0: "INPUT_EMBEDDING_NONE", 1: "INPUT_EMBEDDING_PE_MAP", 2: "INPUT_EMBEDDING_PE_DENSE"},
}


def format_name(field: str, number: int) -> str:
    """Lc0's name of a format's value."""
    return FORMAT_NAMES[field].get(number, f"{field} {number}")


def is_lc0(path: str | Path) -> bool:
    """Whether a file begins like one of Lc0's, packed or not; False for a file that cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(NET_START)).startswith((GZIP_MAGIC, NET_START))
    except OSError:
        return False
