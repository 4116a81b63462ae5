"""Lc0's files that are broken, absurd or of a kind we lack: a typed error, soon and within bounds.
And our exports.
"""

import gzip
import os
import time
import tracemalloc
from contextlib import contextmanager

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
from tests.unit.network.lc0_nets import fused_answers, random_masks
from tests.unit.network.lc0_towers import changed, file_bytes, in_format, random_net

MIB = 1 << 20


@pytest.fixture(scope="module")
def good():
    return random_net(default_rng(1), blocks=1)


def write(folder, data, name="net.pb"):
    (folder / name).write_bytes(data)
    return folder / name


@contextmanager
def refused(match, seconds=5.0, mebibytes=64.0):
    """Expects a NetFileError, soon and with little memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(NetFileError, match=match):
            yield
        assert time.process_time() - started < seconds
        assert tracemalloc.get_traced_memory()[1] < mebibytes * MIB
    finally:
        tracemalloc.stop()


# ---- broken bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "start", "count"), [("net.pb", 60, 150), ("net.pb.gz", 30, 60)])
def test_every_truncation_is_refused(tmp_path, good, name, start, count):
    data = file_bytes(good) if name == "net.pb" else gzip.compress(file_bytes(good))
    load_lc0(write(tmp_path, data, name))
    for end in [*range(start), *np.linspace(start, len(data) - 1, count, dtype=int)]:
        with refused(name):
            load_network(write(tmp_path, data[:end], name))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x89DIT", ""),
        (bytes(100), ""),
        (b"\n<!DOCTYPE html><html>404</html>", "a web page; download"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a",
            "a pointer of Git LFS; `git lfs pull`",
        ),
        (b"", "the file is empty"),
        (
            b"PK\x03\x04",
            "a packed file; unpack it first|a .dit file of another library, the package aino 2.2.0, or a zip",
        ),
        (gzip.compress(gzip.compress(b"net", mtime=0), mtime=0), "a packed file; unpack it first"),
    ],
)
@pytest.mark.parametrize("name", ["net.pb.gz", "net.dit", "n e t \u00e4.pb"])
def test_what_is_no_network_is_said_to_be_none(data, told, name, tmp_path):
    with refused(rf"is not a net file \(\.dit, \.pb, \.pb\.gz\){told and ': '}{told}"):
        load_net(write(tmp_path, data, name))


@pytest.mark.parametrize("size", [1, 4])
def test_a_cut_file_of_lc0s_is_told_as_such(size, good, tmp_path):
    with refused(f"a network of Lc0's, found its first {size} bytes alone"):
        load_net(write(tmp_path, file_bytes(good)[:size]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_no_network(tmp_path):
    os.mkfifo(tmp_path / "net.dit")
    for load in (load_net, load_lc0):
        with refused("cannot be read: it is a pipe or a device"):
            load(tmp_path / "net.dit")


def test_what_cannot_be_opened_is_told(tmp_path):
    with refused(r"nowhere\.pb\.gz: file not found$"):
        load_network(tmp_path / "nowhere.pb.gz")
    with refused("cannot be read: Is a directory"):
        read_planes(tmp_path)
    with refused(r"net\.pb is not a net file"):
        load_lc0(write(tmp_path, b"\x0d\xc1\x01\x00\x00"))


def test_a_file_of_parts_without_content_takes_time_for_each_alone(tmp_path):
    """These 4 MB took 7 s to 40 s, where 0.2 s are enough."""
    (tmp_path / "net.pb.gz").write_bytes(gzip.compress(b"", mtime=0) * 200_000)
    begun = time.process_time()
    with pytest.raises(NetFileError):
        load_lc0(tmp_path / "net.pb.gz")
    assert time.process_time() - begun < 3.0


def test_a_gzip_bomb_is_refused_before_it_unfolds(tmp_path):
    packed = gzip.compress(b"\x0d\xc0\x01\x00\x00" + bytes(300 * MIB), 1)
    assert len(packed) < 4 * MIB
    with refused("bytes when unpacked", seconds=20.0, mebibytes=100 * len(packed) / MIB * 2.1 + 8):
        load_lc0(write(tmp_path, packed, "bomb.pb.gz"))


@pytest.mark.parametrize("rest", [b"more", bytes(512), b"\x1f", b"\n"])
def test_a_file_in_several_parts_or_with_something_behind_them_is_read_as_lc0_reads_it(
    tmp_path, good, rest
):
    """Packers that use several threads write several parts, and downloads and disks append what is
    no part.
    """
    data = file_bytes(good)
    packed = gzip.compress(data[:999]) + gzip.compress(data[999:]) + rest
    assert (
        load_lc0(write(tmp_path, packed, "net.pb.gz")).config
        == load_lc0(write(tmp_path, data)).config
    )


# ---- contents that do not fit --------------------------------------------------------------------


def found_in(net, name):
    """What holds a part of the weights, and the part's own name."""
    *parents, last = name.split(".")
    place = net["weights"]
    for word in parents:
        place = place[int(word)] if isinstance(place, list) else place[word]
    return place, last


def drop(name):
    def change(net):
        place, last = found_in(net, name)
        del place[last]

    return change


def resize(name, size):
    """Append so many bytes to a tensor, or cut them off; all of them if 0."""

    def change(net):
        place, last = found_in(net, name)
        data = bytes(place[last]["params"])
        place[last]["params"] = data + bytes(size) if size > 0 else data[:size] if size else b""

    return change


TENSORS = (
    "input", "input.weights", "residual.0.conv1", "residual.0.se.w1", "policy.biases", "ip1_val_w", "ip2_val_b",
    "moves_left.weights",
)  # fmt: skip
SIZED = ("input.weights", "ip1_val_w", "ip1_val_b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_format(input=132), "INPUT_112_WITH_CANONICALIZATION_HECTOPLIES_ARMAGEDDON"),
        (in_format(input=77), "found input 77"),
        (in_format(network=5), "NETWORK_ONNX"),
        (
            in_format(network=6, policy=3),
            "squares themselves, found 0 of them behind 1 residual blocks",
        ),
        (in_format(network=7), "POLICY_ATTENTION, found POLICY_CONVOLUTION"),
        (in_format(policy=0), "POLICY_UNKNOWN"),
        (in_format(value=3), "VALUE_PARAM"),
        (in_format(moves_left=2), "found moves_left 2"),
        (in_format(default_activation=2), "found default_activation 2"),
        (lambda net: net["format"].update(weights_encoding=3), "LINEAR16, found BFLOAT16"),
        (
            lambda net: net["weights"]["input"]["weights"].update(encoding=5),
            "FLOAT32, found weights_encoding 5",
        ),
        (
            lambda net: net["weights"].update(encoder=[{}, {}]),
            "POLICY_ATTENTION, found POLICY_CONVOLUTION",
        ),
        (lambda net: net.update(weights=None), "weights, found none"),
        (lambda net: net.update(onnx_model={}, weights=None), "an ONNX model"),
        *[(drop(name), f"a tensor {name}") for name in TENSORS],
        *[(resize(name, size), "expected") for name in SIZED for size in (0, 2, -2, -1, 1)],
        *[
            (lambda net, value=value: net["weights"]["ip1_val_w"].update(max_val=value), "up to")
            for value in (float("nan"), float("inf"), -3e38)
        ],
        (
            lambda net: net["weights"]["value"]["bn_stddivs"].update(min_val=-1.0),
            "variances in value",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, good, change, message):
    with refused(message):
        load_network(write(tmp_path, changed(file_bytes(good), change)))


def test_gates_in_some_blocks_only_are_refused(tmp_path):
    net = random_net(default_rng(1), blocks=2)
    with refused("in every block or none"):
        load_network(write(tmp_path, changed(file_bytes(net), drop("residual.1.se"))))


def test_thousands_of_empty_blocks_are_refused(tmp_path, good):
    weights = encode(good["weights"], WEIGHTS_SCHEMA) + b"\x12\x00" * 5000
    head = encode({name: part for name, part in good.items() if name != "weights"}, NET)
    length = bytes([len(weights) & 127 | 128, len(weights) >> 7 & 127 | 128, len(weights) >> 14])
    with refused("expected"):
        load_network(write(tmp_path, head + b"\x52" + length + weights))


def test_a_net_without_formats_has_classical_heads(tmp_path):
    kind = {
        "policy": "classical",
        "value": "scalar",
        "moves_left": False,
        "gates": False,
    }
    net = random_net(default_rng(2), **kind)
    wanted = load_lc0(write(tmp_path, file_bytes(net)))
    for change in (lambda net: net.update(format=None), in_format(network=1, policy=2, value=2)):
        assert load_lc0(write(tmp_path, changed(file_bytes(net), change))).config == wanted.config


# ---- exports -------------------------------------------------------------------------------------


def test_the_shipped_net_answers_the_same_once_exported(tmp_path):
    write_planes(tmp_path / "net.pb.gz", read_planes(default_net_path(entry="default_tower")))
    masks = random_masks(64, default_rng(3))
    masks[32:, 109] = 90  # where rounded weights of the fifty-move plane show
    ours, exported = (
        fused_answers(load_network(path), masks) for path in (None, tmp_path / "net.pb.gz")
    )
    policies = [softmax(found.logits) for found in (ours, exported)]
    assert np.abs(policies[0] - policies[1]).max() <= 2e-3
    assert np.abs(ours.value - exported.value).max() <= 2e-3
    assert np.abs(ours.moves_left - exported.moves_left).max() <= 0.2


def test_quiet_channels_keep_their_precision_beside_loud_ones(tmp_path):
    rng = default_rng(4)
    config = TowerConfig(16, 1)
    model = config.build(rng)
    tensors = {**model.named_parameters(), **model.named_buffers()}
    for name, array in tensors.items():
        if name.endswith("running_variance"):
            array[...] = 10.0 ** rng.uniform(-5, 1, array.shape)
            tensors[name.replace("running_variance", "gamma")][...] = np.sqrt(array) * rng.uniform(
                0.5, 1, array.shape
            )
    write_planes(tmp_path / "net.pb", PlanesFile(config, tensors, {}))
    masks = random_masks(8, rng)
    write_planes(tmp_path / "net.dit", PlanesFile(config, tensors, {}))
    ours, exported = (
        fused_answers(load_network(tmp_path / name), masks) for name in ("net.dit", "net.pb")
    )
    assert np.abs(ours.logits - exported.logits).max() <= 1e-3 * np.ptp(ours.logits)


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


def test_what_lc0_could_not_play_is_not_exported(tmp_path):
    config = TowerConfig(16, 1, activation="swish")
    model = config.build(default_rng(0))
    tower = PlanesFile(config, {**model.named_parameters(), **model.named_buffers()}, {})
    with pytest.raises(ConfigError, match=r"\.pb or \.pb\.gz"):
        write_planes(tmp_path / "net.onnx", tower)
    with pytest.raises(ConfigError, match="swish"):
        write_planes(tmp_path / "net.pb", tower)
    # lc0 gave every position the same value
    with pytest.raises(ConfigError, match="without residual blocks"):
        write_planes(tmp_path / "net.pb", PlanesFile(TowerConfig(16, 0), tower.tensors, {}))
    assert list(tmp_path.iterdir()) == []
