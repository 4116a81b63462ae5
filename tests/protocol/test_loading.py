"""Loading the engine and giving it options: it names what it refuses, and the rest stays as it was."""

import os

import numpy as np
import pytest

from engine.cli import machine
from engine.errors import DataError, NetFileError, blaming
from engine.network import weights
from engine.options import EngineOptions
from engine.player import Engine
from tests.new_process import wait_until
from tests.protocol.fake_engine import Conversation, FakeEngine
from uci.main import main


def test_changed_options_reach_the_engine_at_the_next_isready(talk):
    talk.say("isready", "setoption name Hash value 64")
    assert talk.engine.options.hash_mib == 256
    talk.say("isready")
    assert talk.engine.options.hash_mib == 64


def test_a_refused_net_leaves_the_one_before():
    talk = Conversation(refusing(weights_file="broken.dit"))
    talk.say("setoption name WeightsFile value good.dit", "isready")
    talk.say("setoption name WeightsFile value broken.dit", "isready")
    assert talk.infos() == ["no broken.dit; keeping WeightsFile good.dit"]
    assert talk.session.options.weights_file == "good.dit"


def test_hash_beyond_the_memory_is_granted_with_one_warning(talk, monkeypatch):
    monkeypatch.setattr(machine, "physical_memory_mib", lambda: 1000)
    talk.say("setoption name Hash value 1000", "isready")
    assert not talk.infos()
    talk.say(
        "setoption name Hash value 1001", "isready", "setoption name MultiPV value 2", "isready"
    )
    assert talk.infos() == ["Hash 1001 is more than the 1000 MiB of memory that this machine has"]
    assert talk.engine.options.hash_mib == 1001
    monkeypatch.undo()
    monkeypatch.delattr(os, "sysconf", raising=False)
    talk.say("setoption name Hash value 65536", "isready")
    assert len(talk.infos()) == 1, "the system does not tell its memory"


def test_refused_memory_leaves_the_old_options():
    class Small(FakeEngine):
        def set_options(self, options):
            if options.hash_mib > 256:
                np.empty(1 << 58)
            super().set_options(options)

    talk = Conversation(Small)
    talk.say("isready", "setoption name Hash value 65536", "isready", "go nodes 1")
    talk.wait_for("bestmove")
    assert talk.infos() == ["Hash 65536 does not fit into memory; keeping Hash 256"]
    assert talk.session.options == EngineOptions()


def test_slow_loading_shows_signs_of_life(monkeypatch):
    monkeypatch.setattr("uci.protocol.session.PROGRESS_INTERVAL_S", 0.01)

    def slow(options):
        wait_until(lambda: talk.lines)
        return FakeEngine(options)

    talk = Conversation(slow)
    talk.say("isready")
    assert talk.lines[-1] == "readyok"
    assert all(line.startswith("info string loading the engine") for line in talk.lines[:-1])
    assert len(talk.lines) > 1


def refusing(**refused):
    """An engine that cannot take these values, and that blames their options for it."""

    class Refusing(FakeEngine):
        def __init__(self, options):
            super().__init__(options)
            self._check(options)

        def set_options(self, options):
            self._check(options)
            super().set_options(options)

        def _check(self, options):
            for field, value in refused.items():
                if getattr(options, field) == value:
                    with blaming(field):
                        raise DataError(f"no {value}")

    return Refusing


@pytest.mark.parametrize("ready_before", [False, True])
@pytest.mark.parametrize(
    ("field", "value", "settings", "instead"),
    [
        (
            "book_file",
            "missing.bin",
            ("OwnBook value true", "BookFile value missing.bin"),
            "BookFile <empty>",
        ),
        ("weights_file", "broken.dit", ("WeightsFile value broken.dit",), "WeightsFile <default>"),
        ("backend", "cupy", ("Backend value cupy",), "Backend auto"),
    ],
)
def test_what_cannot_be_loaded_costs_that_option_alone(
    field, value, settings, instead, ready_before
):
    talk = Conversation(refusing(**{field: value}))
    if ready_before:
        talk.say("isready")
    talk.say(
        "setoption name Hash value 64",
        *(f"setoption name {text}" for text in settings),
        "isready",
        "go nodes 1",
    )
    talk.wait_for("bestmove")
    assert talk.infos() == [f"no {value}; {'keeping' if ready_before else 'using'} {instead}"]
    assert talk.engine.options == EngineOptions(hash_mib=64, own_book=field == "book_file")
    assert talk.session.options == talk.engine.options


def test_the_engine_plays_on_without_its_shipped_nets(monkeypatch):
    def broken(entry="default"):
        raise NetFileError(f"{entry}.dit", "sha256 0", "sha256 1")

    monkeypatch.setattr(weights, "default_net_path", broken)
    talk = Conversation(Engine)
    talk.say("setoption name Hash value 8", "setoption name Threads value 1", "isready")
    assert talk.infos() == [
        "default.dit: expected sha256 0, found sha256 1; using Evaluator hybrid",
        "default_tower.dit: expected sha256 0, found sha256 1; using Evaluator material",
    ]
    assert talk.engine.evaluator.name == "material"
    talk.engine.close()


def test_demanded_values_are_not_refused_unless_the_gui_has_changed_them():
    picky = refusing(weights_file="broken.dit")
    talk = Conversation(picky, EngineOptions(weights_file="broken.dit"))
    assert talk.session.run(["uci\n", "isready\n", "go nodes 1\n"]) == 1
    assert talk.lines[-1] == "info string no broken.dit"
    assert not talk.answers("readyok")
    talk = Conversation(picky, EngineOptions(weights_file="good.dit"))
    talk.say("setoption name WeightsFile value broken.dit", "isready")
    assert talk.answers("readyok") == ["readyok"]
    assert talk.session.refusal == ""


@pytest.mark.parametrize("words", [("analyse", "startpos"), ("bench",), ("warmup",)])
def test_command_that_names_a_broken_net_ends_with_one_line(words, tmp_path, capsys):
    net = tmp_path / "empty.dit"
    net.touch()
    assert main([*words, "--weights-file", str(net)]) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"aino {words[0]}: {net} is not a net file (")
    )
