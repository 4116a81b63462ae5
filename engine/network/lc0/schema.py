"""Lc0's `net.proto`: field numbers of its messages, and the names of its formats.

It covers what towers and transformers have, and the fields that reveal that a file holds something
else.
"""

from pathlib import Path

from engine.files.dit_file import DIT_MAGIC, open_net
from engine.files.packed import GZIP_MAGIC
from engine.files.wire import Field, Schema, fields

MAGIC = 0x1C0
NET_START = b"\x0d" + MAGIC.to_bytes(4, "little")  # field 1, fixed32
SUFFIXES = (".pb", ".pb.gz")  # of the files' names
LINEAR16 = 1  # encoding of tensors as 16-bit steps from the smallest to the largest value
# The others.
FLOAT16 = 2
BFLOAT16 = 3
FLOAT32 = 4
STORED_TYPES = {LINEAR16: "<u2", FLOAT16: "<f2", BFLOAT16: "<u2", FLOAT32: "<f4"}
MAX_STEP = 65535  # number of the step that stands for the largest value

LAYER = fields(min_val="float", max_val="float", params="bytes", encoding="uint")
OPAQUE: Schema = {}  # a message whose presence alone matters


def _layers(names: str, first: int = 1) -> dict[int, Field]:
    """Tensors of a message, numbered from `first`."""
    return fields(first, **dict.fromkeys(names.split(), LAYER))


# In spite of their name, bn_stddivs are the variances.
CONV_BLOCK = _layers("weights biases bn_means bn_stddivs bn_gammas bn_betas")
RESIDUAL = fields(conv1=CONV_BLOCK, conv2=CONV_BLOCK, se=_layers("w1 b1 w2 b2"))
SMOLGEN = _layers(
    "compress dense1_w dense1_b ln1_gammas ln1_betas dense2_w dense2_b ln2_gammas ln2_betas"
)
MHA = _layers("q_w q_b k_w k_b v_w v_b dense_w dense_b")
MHA |= fields(9, smolgen=SMOLGEN, rpe_q=OPAQUE, rpe_k=OPAQUE, rpe_v=OPAQUE)
FFN = _layers("dense1_w dense1_b dense2_w dense2_b")
ENCODER_LAYER = fields(mha=MHA) | _layers("ln1_gammas ln1_betas", 2)
ENCODER_LAYER |= fields(4, ffn=FFN) | _layers("ln2_gammas ln2_betas", 5)
POLICY_HEAD = _layers("ip_pol_w ip_pol_b ip2_pol_w ip2_pol_b ip3_pol_w ip3_pol_b ip4_pol_w")
POLICY_HEAD |= fields(8, pol_encoder=[ENCODER_LAYER], pol_headcount="uint")
POLICY_HEADS = _layers("ip_pol_w ip_pol_b")
POLICY_HEADS |= fields(
    3, vanilla=POLICY_HEAD, optimistic_st=POLICY_HEAD, soft=POLICY_HEAD, opponent=POLICY_HEAD
)
VALUE_HEAD = _layers("ip_val_w ip_val_b ip1_val_w ip1_val_b ip2_val_w ip2_val_b")
WEIGHTS_SCHEMA: Schema = {
    **fields(input=CONV_BLOCK, residual=[RESIDUAL], policy=CONV_BLOCK),
    **_layers("ip_pol_w ip_pol_b", 4),
    **fields(6, value=CONV_BLOCK),
    **_layers("ip1_val_w ip1_val_b ip2_val_w ip2_val_b", 7),
    **fields(11, policy1=CONV_BLOCK, moves_left=CONV_BLOCK),
    **_layers(
        "ip1_mov_w ip1_mov_b ip2_mov_w ip2_mov_b ip2_pol_w ip2_pol_b ip3_pol_w ip3_pol_b", 13
    ),
    **fields(21, pol_encoder=[ENCODER_LAYER], ip4_pol_w=LAYER),
    **fields(
        24,
        pol_headcount="uint",
        ip_emb_w=LAYER,
        ip_emb_b=LAYER,
        encoder=[ENCODER_LAYER],
        headcount="uint",
    ),
    **_layers("ip_val_w ip_val_b ip_mov_w ip_mov_b ip_mult_gate ip_add_gate smolgen_w", 29),
    **_layers("ip_emb_preproc_w ip_emb_preproc_b ip_emb_ln_gammas ip_emb_ln_betas", 37),
    **fields(41, ip_emb_ffn=FFN, ip_emb_ffn_ln_gammas=LAYER, ip_emb_ffn_ln_betas=LAYER),
    **fields(
        44,
        value_heads=fields(winner=VALUE_HEAD, q=VALUE_HEAD, st=VALUE_HEAD),
        policy_heads=POLICY_HEADS,
    ),
}
_FORMATS = "input output network policy value moves_left default_activation smolgen_activation ffn_activation"
NETWORK_FORMAT = fields(**dict.fromkeys([*_FORMATS.split(), "input_embedding"], "uint"))
FORMAT = fields(weights_encoding="uint", network_format=NETWORK_FORMAT)
_NUMBERS = dict.fromkeys(("learning_rate", "mse_loss", "policy_loss", "accuracy"), "float")
TRAINING = fields(training_steps="uint", **_NUMBERS, lc0_params="text")
VERSION = fields(major="uint", minor="uint", patch="uint")
NET = fields(
    magic="fixed32", license="text", min_version=VERSION, format=FORMAT, training_params=TRAINING
)
NET |= fields(10, weights=WEIGHTS_SCHEMA, onnx_model=OPAQUE)


def _named(start: str, names: str) -> dict[int, str]:
    """Return names that begin alike by their numbers, from 0."""
    return {number: f"{start}_{name}" for number, name in enumerate(names.split())}


_INNER_ACTIVATIONS = _named(
    "ACTIVATION", "DEFAULT MISH RELU NONE TANH SIGMOID SELU SWISH RELU_2 SOFTMAX"
)
_CANONICAL = "112_WITH_CANONICALIZATION"
FORMAT_NAMES: dict[str, dict[int, str]] = {
    "weights_encoding": dict(
        enumerate("UNKNOWN_ENCODING LINEAR16 FLOAT16 BFLOAT16 FLOAT32".split())
    ),
    "input": {
        **_named("INPUT", f"UNKNOWN CLASSICAL_112_PLANE 112_WITH_CASTLING_PLANE {_CANONICAL}"),
        4: f"INPUT_{_CANONICAL}_HECTOPLIES",
        132: f"INPUT_{_CANONICAL}_HECTOPLIES_ARMAGEDDON",
        5: f"INPUT_{_CANONICAL}_V2",
        133: f"INPUT_{_CANONICAL}_V2_ARMAGEDDON",
    },
    "network": {
        **_named(
            "NETWORK", "UNKNOWN CLASSICAL SE CLASSICAL_WITH_HEADFORMAT SE_WITH_HEADFORMAT ONNX"
        ),
        6: "NETWORK_ATTENTIONBODY_WITH_HEADFORMAT",
        7: "NETWORK_ATTENTIONBODY_WITH_MULTIHEADFORMAT",
        134: "NETWORK_AB_LEGACY_WITH_MULTIHEADFORMAT",
    },
    "policy": _named("POLICY", "UNKNOWN CLASSICAL CONVOLUTION ATTENTION"),
    "value": _named("VALUE", "UNKNOWN CLASSICAL WDL PARAM"),
    "moves_left": _named("MOVES_LEFT", "NONE V1"),
    "default_activation": _named("DEFAULT_ACTIVATION", "RELU MISH"),
    "smolgen_activation": _INNER_ACTIVATIONS,
    "ffn_activation": _INNER_ACTIVATIONS,
    "input_embedding": _named("INPUT_EMBEDDING", "NONE PE_MAP PE_DENSE"),
}


def format_name(field: str, number: int) -> str:
    """Lc0's name of a format's value."""
    return FORMAT_NAMES[field].get(number, f"{field} {number}")


def is_lc0(path: str | Path) -> bool:
    """Whether a file is one of Lc0's, packed or not, by its first bytes; where these are another
    format's, or cut off, by its name. False for a file that cannot be read.
    """
    path = Path(path)
    try:
        with open_net(path) as file:
            begin = file.read(len(DIT_MAGIC))
    except OSError:
        return False
    if begin.startswith((GZIP_MAGIC, NET_START)):
        return True
    return path.name.endswith(SUFFIXES) and not begin.startswith(DIT_MAGIC)
