"""Lc0's `net.proto`: field numbers of its messages, and the names of its formats.

It covers what towers and transformers have, and the fields that reveal that a file holds something else.
"""

from __future__ import annotations

from pathlib import Path

from engine.files.dit_file import open_net
from engine.files.wire import Field, Schema

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
OPAQUE: Schema = {}  # a message whose presence alone matters


def _layers(*names: str, first: int = 1) -> Schema:
    """Tensors of a message, numbered from `first`."""
    return {number: Field(name, LAYER) for number, name in enumerate(names, first)}


# In spite of their name, bn_stddivs are the variances.
CONV_BLOCK = _layers("weights", "biases", "bn_means", "bn_stddivs", "bn_gammas", "bn_betas")
SE_UNIT = _layers("w1", "b1", "w2", "b2")
RESIDUAL: Schema = {1: Field("conv1", CONV_BLOCK), 2: Field("conv2", CONV_BLOCK), 3: Field("se", SE_UNIT)}
SMOLGEN = _layers(
    "compress", "dense1_w", "dense1_b", "ln1_gammas", "ln1_betas", "dense2_w", "dense2_b", "ln2_gammas", "ln2_betas"
)
MHA: Schema = {
    **_layers("q_w", "q_b", "k_w", "k_b", "v_w", "v_b", "dense_w", "dense_b"),
    9: Field("smolgen", SMOLGEN),
    **{number: Field(name, OPAQUE) for number, name in ((10, "rpe_q"), (11, "rpe_k"), (12, "rpe_v"))},
}
FFN = _layers("dense1_w", "dense1_b", "dense2_w", "dense2_b")
ENCODER_LAYER: Schema = {
    1: Field("mha", MHA),
    **_layers("ln1_gammas", "ln1_betas", first=2),
    4: Field("ffn", FFN),
    **_layers("ln2_gammas", "ln2_betas", first=5),
}
POLICY_HEAD: Schema = {
    **_layers("ip_pol_w", "ip_pol_b", "ip2_pol_w", "ip2_pol_b", "ip3_pol_w", "ip3_pol_b", "ip4_pol_w"),
    8: Field("pol_encoder", ENCODER_LAYER, repeated=True),
    9: Field("pol_headcount", "uint"),
}
_POLICY_NAMES = ("vanilla", "optimistic_st", "soft", "opponent")
POLICY_HEADS: Schema = {
    **_layers("ip_pol_w", "ip_pol_b"),
    **{number: Field(name, POLICY_HEAD) for number, name in enumerate(_POLICY_NAMES, 3)},
}
VALUE_HEAD = _layers("ip_val_w", "ip_val_b", "ip1_val_w", "ip1_val_b", "ip2_val_w", "ip2_val_b")
VALUE_HEADS: Schema = {number: Field(name, VALUE_HEAD) for number, name in enumerate(("winner", "q", "st"), 1)}
WEIGHTS_SCHEMA: Schema = {
    1: Field("input", CONV_BLOCK),
    2: Field("residual", RESIDUAL, repeated=True),
    3: Field("policy", CONV_BLOCK),
    **_layers("ip_pol_w", "ip_pol_b", first=4),
    6: Field("value", CONV_BLOCK),
    **_layers("ip1_val_w", "ip1_val_b", "ip2_val_w", "ip2_val_b", first=7),
    11: Field("policy1", CONV_BLOCK),
    12: Field("moves_left", CONV_BLOCK),
    **_layers("ip1_mov_w", "ip1_mov_b", "ip2_mov_w", "ip2_mov_b", first=13),
    **_layers("ip2_pol_w", "ip2_pol_b", "ip3_pol_w", "ip3_pol_b", first=17),
    21: Field("pol_encoder", ENCODER_LAYER, repeated=True),
    22: Field("ip4_pol_w", LAYER),
    24: Field("pol_headcount", "uint"),
    **_layers("ip_emb_w", "ip_emb_b", first=25),
    27: Field("encoder", ENCODER_LAYER, repeated=True),
    28: Field("headcount", "uint"),
    **_layers("ip_val_w", "ip_val_b", "ip_mov_w", "ip_mov_b", "ip_mult_gate", "ip_add_gate", "smolgen_w", first=29),
    **_layers("ip_emb_preproc_w", "ip_emb_preproc_b", "ip_emb_ln_gammas", "ip_emb_ln_betas", first=37),
    41: Field("ip_emb_ffn", FFN),
    **_layers("ip_emb_ffn_ln_gammas", "ip_emb_ffn_ln_betas", first=42),
    44: Field("value_heads", VALUE_HEADS),
    45: Field("policy_heads", POLICY_HEADS),
}
VERSION: Schema = {1: Field("major", "uint"), 2: Field("minor", "uint"), 3: Field("patch", "uint")}
_FORMAT_FIELDS = "input output network policy value moves_left default_activation smolgen_activation ffn_activation"
NETWORK_FORMAT: Schema = {
    number: Field(name, "uint") for number, name in enumerate([*_FORMAT_FIELDS.split(), "input_embedding"], 1)
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


def _named(start: str, names: str) -> dict[int, str]:
    """Return names that begin alike by their numbers, from 0."""
    return {number: f"{start}_{name}" for number, name in enumerate(names.split())}


_INNER_ACTIVATIONS = _named("ACTIVATION", "DEFAULT MISH RELU NONE TANH SIGMOID SELU SWISH RELU_2 SOFTMAX")
_CANONICAL = "112_WITH_CANONICALIZATION"
FORMAT_NAMES: dict[str, dict[int, str]] = {
    "weights_encoding": {0: "UNKNOWN_ENCODING", 1: "LINEAR16", 2: "FLOAT16", 3: "BFLOAT16", 4: "FLOAT32"},
    "input": {
        **_named("INPUT", f"UNKNOWN CLASSICAL_112_PLANE 112_WITH_CASTLING_PLANE {_CANONICAL}"),
        4: f"INPUT_{_CANONICAL}_HECTOPLIES",
        132: f"INPUT_{_CANONICAL}_HECTOPLIES_ARMAGEDDON",
        5: f"INPUT_{_CANONICAL}_V2",
        133: f"INPUT_{_CANONICAL}_V2_ARMAGEDDON",
    },
    "network": {
        **_named("NETWORK", "UNKNOWN CLASSICAL SE CLASSICAL_WITH_HEADFORMAT SE_WITH_HEADFORMAT ONNX"),
        6: "NETWORK_ATTENTIONBODY_WITH_HEADFORMAT",
        7: "NETWORK_ATTENTIONBODY_WITH_MULTIHEADFORMAT",
        134: "NETWORK_AB_LEGACY_WITH_MULTIHEADFORMAT",
    },
    "policy": _named("POLICY", "UNKNOWN CLASSICAL CONVOLUTION ATTENTION"),
    "value": _named("VALUE", "UNKNOWN CLASSICAL WDL PARAM"),
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
        with open_net(Path(path)) as file:
            return file.read(len(NET_START)).startswith((GZIP_MAGIC, NET_START))
    except OSError:
        return False
