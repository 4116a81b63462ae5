"""Lc0's transformers of every kind: lc0's own answers on random networks, the path that plays and
the layers agree.
"""

import zlib
from dataclasses import replace
from functools import cache

import chess
import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, NetFileError
from engine.evaluation.leaf_batches import leaves_of
from engine.files.wire import encode, parse
from engine.network.families import planes_config_of
from engine.network.fused.given_tensors import layers_with
from engine.network.input_formats import INPUT_FORMATS, turned_batch
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.reader import load_lc0
from engine.network.lc0.schema import NET
from engine.network.outputs import policy_name
from engine.network.planes import float_planes
from engine.network.policy_map import HEAD_INDEX
from engine.network.transformer.transformer_model import Transformer, TransformerConfig
from engine.network.weights import load_net
from selfplay.families.by_name import net_of_model
from tests.unit.network.fused_tower import assert_bits_depend_on_the_position_alone, infer
from tests.unit.network.lc0_kept import ANSWERS, answered, boards, check_answers
from tests.unit.network.lc0_towers import changed, in_format
from tests.unit.network.lc0_transformers import DENSE, KINDS, random_transformer

FEW = 16
FIELDS = {"optimistic": "optimistic_st"}


@cache
def leaves_in(input_format):
    return leaves_of(boards(), input_format)


def network_in(folder, kind):
    path = folder / "net.pb"
    path.write_bytes(random_transformer(list(KINDS).index(kind), **KINDS[kind]))
    return path


def asked(input_format, count):
    """The planes as a network of that format sees them, uint64 [count, 112]."""
    leaves = leaves_in(input_format)
    return turned_batch(input_format, leaves.masks[:count], leaves.policy_index[:count])[0]


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_planes_of_every_input_format_are_lc0s(input_format):
    with np.load(ANSWERS) as data:
        checksums = data[f"planes {input_format}"]
    masks = asked(input_format, len(checksums)).copy()
    masks[:, 109] = 0
    assert [zlib.crc32(row.tobytes()) for row in masks] == checksums.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_transformer_answers_as_lc0_does(tmp_path, kind):
    with np.load(ANSWERS) as data:
        names = [
            name
            for name in data
            if name.startswith(kind) and name.removeprefix(kind)[:1] in ("", " ")
        ]
    path = network_in(tmp_path, kind)
    names = [name for name in names if not name.endswith("value")]
    assert names
    for name in names:
        policy, value = name.removeprefix(kind).split() or ("vanilla", "winner")
        head = next((ours for ours, field in FIELDS.items() if field == policy), policy)
        check_answers(path, name, (head, value), scalar=KINDS[kind].get("value") == 1)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_answer_as_the_path_that_lc0s_answers_prove(tmp_path, kind):
    net = load_lc0(network_in(tmp_path, kind))
    masks = asked(net.config.input_format, FEW)
    outputs, _ = layers_with(net.tensors, net.config).forward(float_planes(masks))
    for suffix in (".dit", ".pb.gz"):
        write_planes(tmp_path / f"again{suffix}", net)
        assert read_planes(tmp_path / f"again{suffix}").config == net.config
    for heads in zip(net.config.policy_heads, net.config.value_heads, strict=False):
        fused = load_net(tmp_path / "net.pb", heads)
        expected = infer(fused, masks)
        of_layers = outputs[policy_name(heads[0])][:, HEAD_INDEX["attention"]]
        np.testing.assert_allclose(of_layers, expected[0], atol=2e-4)
        for suffix, tolerance in ((".dit", 1e-4), (".pb.gz", 5e-2)):
            again = infer(load_net(tmp_path / f"again{suffix}", heads), masks)
            for found, one, atol in zip(
                again, expected, (2 * tolerance, tolerance, 100 * tolerance), strict=True
            ):
                np.testing.assert_allclose(found, one, atol=atol)


@pytest.mark.parametrize(
    "kind", ["dense, all heads", "narrow queries, odd sizes", "encoders in the policy head"]
)
def test_a_positions_bits_depend_on_nothing_but_the_position(tmp_path, kind):
    fused = load_net(network_in(tmp_path, kind))
    masks = leaves_in(1).masks[:20].copy()
    assert_bits_depend_on_the_position_alone(fused, masks, np.random.default_rng(4))


@pytest.mark.parametrize(
    "turn",
    [chess.flip_vertical, chess.flip_horizontal, chess.flip_diagonal, chess.flip_anti_diagonal],
)
def test_a_canonical_network_gives_a_turned_board_the_turned_policy(tmp_path, turn):
    """lc0 0.32 takes logits of other moves where it transposes the board; 0.31 and earlier did not."""
    board = chess.Board("8/8/2k5/8/8/1K1R4/8/8 w - - 3 1")
    twin = board.transform(turn)
    twin.halfmove_clock = 3
    leaves = answered(network_in(tmp_path, "canonical"), [board, twin])
    np.testing.assert_array_equal(leaves.wdl[1], leaves.wdl[0])
    logits = np.sort(leaves.logits[:2, : leaves.n_moves[0]])
    np.testing.assert_array_equal(logits[1], logits[0])


def test_the_gradient_of_a_transformer_agrees_with_differences_along_random_directions():
    sizes = {"width": 8, "layers": 2, "heads": 2, "inner": 8, "hidden": 6, "policy_planes": 4, "policy_depth": 4,
             "value_channels": 2, "value_hidden": 4, "moves_left_channels": 1, "moves_left_hidden": 2, "gate": True,
             "embedding": "dense", "embedding_planes": 2, "embedding_hidden": 6, "input_format": 4, "policy_layers": 1,
             "policy_attention_heads": 2, "policy_attention_inner": 4, "policy_attention_hidden": 3,
             "smolgen_compressed": 2, "smolgen_hidden": 4, "smolgen_generated": 3, "policy_heads": ("vanilla", "soft"),
             "value_heads": ("winner", "q")}  # fmt: skip
    rng = np.random.default_rng(5)
    model = Transformer(rng, **sizes).astype(np.float64)
    for tensor in model.named_parameters().values():
        tensor += 0.1 * rng.standard_normal(tensor.shape)
    x = float_planes(leaves_in(1).masks[:3]).astype(np.float64)
    outputs, backward = model.forward(x, True)
    weights = {name: rng.standard_normal(output.shape) for name, output in outputs.items()}
    dx, grads = backward(weights)
    for name, tensor in {"x": x, **model.named_parameters()}.items():
        direction = rng.standard_normal(tensor.shape)
        found = []
        for step in (1e-5, -2e-5):
            tensor += step * direction
            moved, _ = model.forward(x, True)
            found.append(sum(float((moved[head] * weights[head]).sum()) for head in weights))
        tensor += 1e-5 * direction
        slope = (found[0] - found[1]) / 2e-5
        assert slope == pytest.approx(
            float(((dx if name == "x" else grads[name]) * direction).sum()), rel=1e-4, abs=1e-5
        )


# ---- what is refused -----------------------------------------------------------------------------


def in_weights(change):
    return lambda net: change(net["weights"])


def without(name):
    return in_weights(lambda weights: weights.pop(name))


SMOLGEN = {"smolgen": (4, 16, 8)}
REFUSED = {
    "convolutional policy": ({}, in_format(policy=2), "POLICY_CONVOLUTION"),
    "softmax inside": ({}, in_format(ffn_activation=9), "ACTIVATION_SOFTMAX"),
    "embedding of the future": ({}, in_format(input_embedding=3), "input_embedding 3"),
    "relative positions": ({}, in_weights(lambda w: w["encoder"][0]["mha"].update(rpe_q={})), "relative positions"),
    "no layers": ({}, without("encoder"), "0 of them"),
    "one gate": ({"gate": True}, without("ip_add_gate"), "both gates or none"),
    "smolgen in some": (SMOLGEN, in_weights(lambda w: w["encoder"][0]["mha"].pop("smolgen")), "in some"),
    "no table": (SMOLGEN, without("smolgen_w"), "smolgen_w"),
    "heads that do not divide": ({}, in_weights(lambda w: w.update(headcount=5)), "heads that divide 32"),
    "no heads": ({}, without("headcount"), "heads from 1"),
    "layers of two sizes": ({}, in_weights(lambda w: w["encoder"][1]["ffn"].pop("dense2_w")), "encoder.1.ffn.dense2_w"),
    "no embedding": ({}, without("ip_emb_w"), "ip_emb_w"),
    "short tensor": ({}, in_weights(lambda w: w["ip_emb_w"].update(params=b"12")), "bytes in ip_emb_w"),
    "NaN": (
        {"encoding": "FLOAT16"}, in_weights(lambda w: w["ip_emb_b"].update(params=b"\xff\x7f" * 32)), "or NaN",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_we_lack_or_what_does_not_fit_is_refused_by_name(tmp_path, case):
    kind, change, message = REFUSED[case]
    path = tmp_path / "net.pb"
    path.write_bytes(changed(random_transformer(1, **kind), change))
    with pytest.raises(NetFileError, match=message):
        load_net(path)


def test_heads_without_tensors_are_skipped(tmp_path):
    """They were refused, though lc0 plays the others."""

    def empty(weights):
        weights["policy_heads"]["soft"] = weights["value_heads"]["q"] = {}

    (tmp_path / "net.pb").write_bytes(changed(random_transformer(1, **DENSE), in_weights(empty)))
    config = load_lc0(tmp_path / "net.pb").config
    assert (config.policy_heads, config.value_heads) == (
        ("vanilla", "optimistic", "opponent"),
        ("winner", "st"),
    )


@pytest.mark.parametrize("value", ["winner", "q", "st"])
def test_heads_of_other_sizes_than_the_first_play(tmp_path, value):
    """The whole file was refused, though only the chosen head is needed; Lc0's trainer can write
    such files.
    """
    data = random_transformer(6, **DENSE, wider={"q": 10, "st": 3})
    (tmp_path / "net.pb").write_bytes(data)
    net = parse("net", memoryview(data), NET)
    net["weights"]["value_heads"] = {"winner": net["weights"]["value_heads"][value]}
    (tmp_path / "alone.pb").write_bytes(encode(net, NET))
    masks = leaves_in(1).masks[:FEW]
    chosen, alone = (
        infer(load_net(tmp_path / name, heads), masks)
        for name, heads in (("net.pb", ("soft", value)), ("alone.pb", ("soft", "winner")))
    )
    for found, expected in zip(chosen, alone, strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(NetFileError, match="value_heads"):
        load_lc0(tmp_path / "net.pb")


def test_a_head_that_a_network_lacks_is_refused_with_those_it_has(tmp_path):
    path = network_in(tmp_path, "map, relu")
    with pytest.raises(NetFileError, match="policy head soft, found only vanilla"):
        load_net(path, ("soft", "winner"))
    with pytest.raises(NetFileError, match="value head st, found only winner"):
        load_net(path, ("vanilla", "st"))


@pytest.mark.parametrize(
    "text", ["transformer-0x2", "transformer-32", "transformer-32x2x5x1", "transformer-30x2x4"]
)
def test_names_of_no_transformer_are_refused(text):
    with pytest.raises(ConfigError, match="transformer"):
        TransformerConfig.parse(text)


def test_networks_of_other_input_formats_are_not_trained_on_classical_planes(tmp_path):
    """A run began with one, and trained it on planes that it does not know."""
    net = load_lc0(network_in(tmp_path, "canonical"))
    with pytest.raises(ConfigError, match="input format 1, of which training data are, not 3"):
        net_of_model(layers_with(net.tensors, net.config))
    net = load_lc0(network_in(tmp_path, "map, relu"))
    assert net_of_model(layers_with(net.tensors, net.config)) == "transformer-32x2x4"
    config = replace(TransformerConfig.parse("transformer-8x1"), policy_heads=("soft",))
    soft = config.build(np.random.default_rng(1))
    with pytest.raises(ConfigError, match="needs the heads vanilla and winner"):
        net_of_model(soft)


@pytest.mark.parametrize(
    "sizes",
    [
        {"width": 1.5},
        {"layers": "2"},
        {"gate": "no"},
        {"value_hidden": None},
        {"activation": ["mish"]},
    ],
)
def test_sizes_of_other_types_are_refused(sizes):
    """They were taken, and failed in the middle of a forward pass."""
    with pytest.raises(ConfigError, match=f"expected {next(iter(sizes))} "):
        planes_config_of({"layer": "transformer", **sizes})


def test_encoders_whose_smolgen_has_its_usual_sizes_are_built():
    """A missing size was a KeyError."""
    rng = np.random.default_rng(1)
    smolgen = {"places": 4, "compressed": 1, "hidden": 2}
    encoder = nn.Encoder(1, {"features": 4, "heads": 2, "hidden": 4, "smolgen": smolgen}, rng)
    assert encoder.params["table"].shape == (16, 256)
    assert encoder.forward(np.zeros((2, 4, 4), np.float32))[0].shape == (2, 4, 4)
