"""Lc0's files that are broken, absurd or of a kind we lack: a typed error, soon and within bounds.
And our exports.
"""

import gzip
import os
import time
import tracemalloc

import numpy as np
import pytest
from numpy.random import default_rng

from engine.errors import ConfigError, NetFileError
from engine.files.wire import encode
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.lc0.reader import PlanesFile, load_lc0
from engine.network.lc0.schema import NET, WEIGHTS_SCHEMA
from engine.network.tower.tower_model import TowerConfig
from engine.network.weights import default_net_path, load_net, load_network
from engine.nn.layers import softmax
from tests.unit.network.lc0_nets import fused_answers, random_masks, training_answers
from tests.unit.network.lc0_towers import changed, file_bytes, holder_of, in_format, put, random_net
from tests.unit.network.lc0_transformers import DENSE, random_transformer

MIB = 1 << 20


@pytest.fixture(scope="module")
def good():
    return random_net(default_rng(1), blocks=1)


def write(folder, data, name="net.pb"):
    (folder / name).write_bytes(data)
    return folder / name


def check_refusal(load, path, message):
    """Expect a NetFileError, soon and with little memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(NetFileError, match=message):
            load(path)
        assert time.process_time() - started < 5
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


# ---- broken bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.pb", "net.pb.gz"])
def test_truncations_are_refused(tmp_path, good, name):
    data = file_bytes(good) if name == "net.pb" else gzip.compress(file_bytes(good))
    load_lc0(write(tmp_path, data, name))
    for end in [0, 1, 5, 20, *np.linspace(60, len(data) - 1, 9, dtype=int)]:
        check_refusal(load_network, write(tmp_path, data[:end], name), name)


NO_NET = r"is not a net file \(\.dit, \.pb, \.pb\.gz\)"
OTHERS = [
    (b"\x89DIT", NO_NET),
    (bytes(100), NO_NET),
    (b"\n<!DOCTYPE html><html>404</html>", f"{NO_NET}: a web page; download"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a",
        f"{NO_NET}: a pointer of Git LFS; `git lfs pull`",
    ),
    (b"", f"{NO_NET}: the file is empty"),
    (
        b"PK\x03\x04",
        f"{NO_NET}: a packed file; unpack it first|is a .dit file of another library, the package aino",
    ),
    (
        gzip.compress(gzip.compress(b"net", mtime=0), mtime=0),
        f"{NO_NET}: a packed file; unpack it first",
    ),
]
OF_LC0 = [
    (b"\x0d", "a network of Lc0's, found its first 1 bytes alone"),
    (b"\x0d\xc0\x01\x00", "a network of Lc0's, found its first 4 bytes alone"),
    (b"\x0d\xc1\x01\x00\x00", r"net\.pb is not a net file"),
    # Parts without content took 7 s to 40 s.
    (gzip.compress(b"", mtime=0) * 200_000, "net"),
    # It is refused before it unfolds.
    (gzip.compress(b"\x0d\xc0\x01\x00\x00" + bytes(120 * MIB), 1), "bytes when unpacked"),
]


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        *(
            (data, name, message)
            for data, message in OTHERS
            for name in ("net.pb.gz", "net.dit", "n e t \u00e4.pb")
        ),
        *((data, "net.pb", message) for data, message in OF_LC0),
    ],
)
def test_what_is_no_network_is_said_to_be_none(data, name, message, tmp_path):
    check_refusal(load_net, write(tmp_path, data, name), message)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_no_network(tmp_path):
    os.mkfifo(tmp_path / "net.dit")
    for load in (load_net, load_lc0):
        check_refusal(load, tmp_path / "net.dit", "cannot be read: it is a pipe or a device")


def test_what_cannot_be_opened_is_told(tmp_path):
    check_refusal(load_network, tmp_path / "nowhere.pb.gz", r"nowhere\.pb\.gz: file not found$")
    check_refusal(read_planes, tmp_path, "cannot be read: Is a directory")


@pytest.mark.parametrize("rest", [b"more", bytes(512), b"\x1f", b"\n"])
def test_a_file_in_several_parts_or_with_something_behind_them_is_read_as_lc0_reads_it(
    tmp_path, good, rest
):
    """Packers that use several threads write several parts, and downloads and disks append what is
    no part.
    """
    data = file_bytes(good)
    packed = gzip.compress(data[:999]) + gzip.compress(data[999:]) + rest
    expected = load_lc0(write(tmp_path, data)).config
    assert load_lc0(write(tmp_path, packed, "net.pb.gz")).config == expected


# ---- contents that do not fit --------------------------------------------------------------------


def with_part(name, part):
    return lambda net: put(net["weights"], name, part)


def drop(name):
    def change(net):
        place, last = holder_of(net["weights"], name)
        del place[last]

    return change


def resize(name, size):
    """Append so many bytes to a tensor, or cut them off; all of them if 0."""

    def change(net):
        place, last = holder_of(net["weights"], name)
        data = bytes(place[last]["params"])
        place[last]["params"] = data + bytes(size) if size > 0 else data[:size] if size else b""

    return change


TENSORS = (
    "input", "input.weights", "residual.0.conv1", "residual.0.se.w1", "policy.biases", "ip1_val_w", "ip2_val_b",
    "moves_left.weights",
)  # fmt: skip
SIZED = ("input.weights", "ip1_val_w", "ip1_val_b")
TOWER_FAULTS = [
    (in_format(input=132), "INPUT_112_WITH_CANONICALIZATION_HECTOPLIES_ARMAGEDDON"),
    (in_format(input=77), "found input 77"),
    (in_format(network=5), "NETWORK_ONNX"),
    (
        in_format(network=6, policy=3),
        "squares themselves, found 0 of them behind 2 residual blocks",
    ),
    (in_format(network=7), "POLICY_ATTENTION, found POLICY_CONVOLUTION"),
    (in_format(policy=0), "POLICY_UNKNOWN"),
    (in_format(value=3), "VALUE_PARAM"),
    (in_format(moves_left=2), "found moves_left 2"),
    (in_format(default_activation=2), "found default_activation 2"),
    (lambda net: net["format"].update(weights_encoding=3), "LINEAR16, found BFLOAT16"),
    (with_part("input.weights.encoding", 5), "FLOAT32, found weights_encoding 5"),
    (with_part("encoder", [{}, {}]), "POLICY_ATTENTION, found POLICY_CONVOLUTION"),
    (lambda net: net.update(weights=None), "weights, found none"),
    (lambda net: net.update(onnx_model={}, weights=None), "an ONNX model"),
    *((drop(name), f"a tensor {name}") for name in TENSORS),
    *((resize(name, size), "expected") for name in SIZED for size in (0, 2, -2, -1, 1)),
    *(
        (with_part("ip1_val_w.max_val", value), "up to")
        for value in (float("nan"), float("inf"), -3e38)
    ),
    (with_part("value.bn_stddivs.min_val", -1.0), "variances in value"),
    (drop("residual.1.se"), "in every block or none"),
]
SMOLGEN = {"smolgen": (4, 16, 8)}
TRANSFORMER_FAULTS = [
    ({}, in_format(policy=2), "POLICY_CONVOLUTION"),
    ({}, in_format(ffn_activation=9), "ACTIVATION_SOFTMAX"),
    ({}, in_format(input_embedding=3), "input_embedding 3"),
    ({}, with_part("encoder.0.mha.rpe_q", {}), "relative positions"),
    ({}, drop("encoder"), "0 of them"),
    ({"gate": True}, drop("ip_add_gate"), "both gates or none"),
    (SMOLGEN, drop("encoder.0.mha.smolgen"), "in some"),
    (SMOLGEN, drop("smolgen_w"), "smolgen_w"),
    ({}, with_part("headcount", 5), "heads that divide 32"),
    ({}, drop("headcount"), "heads from 1"),
    ({}, drop("encoder.1.ffn.dense2_w"), "encoder.1.ffn.dense2_w"),
    ({}, drop("ip_emb_w"), "ip_emb_w"),
    ({}, with_part("ip_emb_w.params", b"12"), "bytes in ip_emb_w"),
    ({"encoding": "FLOAT16"}, with_part("ip_emb_b.params", b"\xff\x7f" * 32), "or NaN"),
    (DENSE, with_part("policy_heads.vanilla", {}), "policy_heads.vanilla"),
    (DENSE, with_part("value_heads.winner", {}), "value_heads.winner"),
]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [*((None, *fault) for fault in TOWER_FAULTS), *TRANSFORMER_FAULTS],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, kind, change, message):
    data = file_bytes(random_net(default_rng(1)))
    if kind is not None:
        data = random_transformer(1, **kind)
    check_refusal(load_network, write(tmp_path, changed(data, change)), message)


def test_thousands_of_empty_blocks_are_refused(tmp_path, good):
    weights = encode(good["weights"], WEIGHTS_SCHEMA) + b"\x12\x00" * 5000
    head = encode({name: part for name, part in good.items() if name != "weights"}, NET)
    length = bytes([len(weights) & 127 | 128, len(weights) >> 7 & 127 | 128, len(weights) >> 14])
    path = write(tmp_path, head + b"\x52" + length + weights)
    check_refusal(load_network, path, "expected")


def test_heads_of_other_sizes_are_refused_where_all_are_read(tmp_path):
    data = random_transformer(6, **DENSE, wider={"q": 10, "st": 3})
    check_refusal(read_planes, write(tmp_path, data), "value_heads")


def test_heads_without_tensors_are_skipped(tmp_path):
    """They were refused, though lc0 plays the others."""

    def empty(net):
        net["weights"]["policy_heads"]["soft"] = net["weights"]["value_heads"]["q"] = {}

    path = write(tmp_path, changed(random_transformer(1, **DENSE), empty))
    config = load_lc0(path).config
    assert config.policy_heads == ("vanilla", "optimistic", "opponent")
    assert config.value_heads == ("winner", "st")


def test_a_net_without_formats_has_classical_heads(tmp_path):
    net = random_net(default_rng(2), "classical", "scalar", moves_left=False, gates=False)
    data = file_bytes(net)
    expected = load_lc0(write(tmp_path, data)).config
    for change in (lambda net: net.update(format=None), in_format(network=1, policy=2, value=2)):
        assert load_lc0(write(tmp_path, changed(data, change))).config == expected


# ---- exports -------------------------------------------------------------------------------------


def test_the_shipped_net_answers_the_same_once_exported(tmp_path):
    write_planes(tmp_path / "net.pb.gz", read_planes(default_net_path(entry="default_tower")))
    masks = random_masks(64, default_rng(3))
    masks[32:, 109] = 90  # where rounded weights of the fifty-move plane show
    ours, exported = (
        fused_answers(load_network(path), masks) for path in (None, tmp_path / "net.pb.gz")
    )
    assert np.abs(softmax(ours.logits) - softmax(exported.logits)).max() <= 2e-3
    assert np.abs(ours.value - exported.value).max() <= 2e-3
    assert np.abs(ours.moves_left - exported.moves_left).max() <= 0.2


def test_quiet_channels_keep_their_precision_beside_loud_ones(tmp_path):
    rng = default_rng(4)
    tower = new_tower(TowerConfig(16, 1))
    for name, array in tower.tensors.items():
        if name.endswith("running_variance"):
            array[...] = 10.0 ** rng.uniform(-5, 1, array.shape)
            gamma = tower.tensors[name.replace("running_variance", "gamma")]
            gamma[...] = np.sqrt(array) * rng.uniform(0.5, 1, array.shape)
    write_planes(tmp_path / "net.pb", tower)
    masks = random_masks(8, rng)
    ours = training_answers(tower, masks)
    exported = training_answers(read_planes(tmp_path / "net.pb"), masks)
    assert np.abs(ours.logits - exported.logits).max() <= 1e-3 * np.ptp(ours.logits)


def new_tower(config):
    model = config.build(default_rng(0))
    return PlanesFile(config, model.named_parameters() | model.named_buffers(), {})


def test_what_a_file_says_of_itself_goes_along(tmp_path, good):
    training = {"training_steps": 7000, "learning_rate": 0.25}
    path = write(
        tmp_path,
        changed(file_bytes(good), lambda net: net.update(training_params=training, license="free")),
    )
    write_planes(tmp_path / "net.dit", read_planes(path))
    write_planes(tmp_path / "again.pb", read_planes(tmp_path / "net.dit"))
    for name in ("net.dit", "again.pb"):
        card = read_planes(tmp_path / name).card
        assert card["training"] == training
        assert card["license"] == "free"


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("net.onnx", TowerConfig(16, 1), r"\.pb or \.pb\.gz"),
        ("net.pb", TowerConfig(16, 1, activation="swish"), "swish"),
        # lc0 gave every position the same value
        ("net.pb", TowerConfig(16, 0), "without residual blocks"),
        ("net.dit", TowerConfig(16, 1, input_format=4), "not of input format 4"),
    ],
)
def test_what_a_format_does_not_hold_is_not_written(tmp_path, name, config, message):
    with pytest.raises(ConfigError, match=message):
        write_planes(tmp_path / name, new_tower(config))
    assert list(tmp_path.iterdir()) == []
