"""The option table: its forms agree with each other, and bad values are refused by name."""

import argparse
import os

import pytest

from engine.cli import option_forms
from engine.errors import ConfigError
from engine.options import OPTIONS, EngineOptions, _quotas, find_option, set_option, usable_cpus


@pytest.mark.parametrize(
    ("own", "limits", "cpus"),
    [
        ("0::/\n", {"cpu.max": "250000 100000"}, [2]),
        ("0::/\n", {"cpu.max": "max 100000"}, []),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, [3]),
        ("0::/host/path/of/the/container\n", {"cpu.max": "100000 100000"}, [1]),
        (
            "4:cpu,cpuacct:/docker/1f\n1:name=systemd:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "50000"},
            [3],
        ),
        ("no table of groups", {}, []),
    ],
)
def test_a_container_with_two_processors_has_two(tmp_path, own, limits, cpus):
    """The system then stops all of them for most of a tenth of a second, and a game is lost by
    time.
    """
    (tmp_path / "own").write_text(own)
    for name, text in limits.items():
        (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / name).write_text(text + "\n")
    assert list(_quotas(tmp_path / "sys", tmp_path / "own")) == cpus
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)


def test_a_name_is_that_of_one_option():
    names = [name.lower() for option in OPTIONS for name in (option.name, *option.aliases)]
    assert len(set(names)) == len(names)


def test_names_of_other_engines_are_understood():
    assert set_option(EngineOptions(), "MoveOverheadMs", "200").move_overhead_ms == 200
    assert set_option(EngineOptions(), "debug log file", "uci.log").log_file == "uci.log"
    assert not any("MoveOverheadMs" in line for line in option_forms.uci_lines(EngineOptions()))


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("hash", "64", "hash_mib", 64), ("MOVE  OVERHEAD", " 100 ", "move_overhead_ms", 100),
        ("Ponder", "True", "ponder", True), ("Evaluator", "MATERIAL", "evaluator", "material"),
        ("CPuct", "2.5", "cpuct_init", 2.5), ("SyzygyPath", "<empty>", "syzygy_path", ""),
    ],
)  # fmt: skip
def test_set_option_reads_values_as_guis_write_them(name, text, field, value):
    changed = set_option(EngineOptions(), name, text)
    assert getattr(changed, field) == value
    assert changed != EngineOptions() or value == getattr(EngineOptions(), field)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Hash", "0"), ("Hash", "65537"), ("Hash", ""), ("Threads", "1.5"), ("Ponder", "yes"),
        ("Evaluator", "stockfish"), ("CPuct", "nan"), ("SyzygyPath", "tables\x00"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_the_range(name, text):
    option = find_option(name)
    with pytest.raises(ConfigError) as caught:
        set_option(EngineOptions(), name, text)
    assert name in str(caught.value)
    assert option.range_text in str(caught.value)
    if text != "nan":
        assert repr(text) in str(caught.value) or f"value {text}," in str(caught.value)


def test_a_path_that_the_system_cannot_write_is_refused(monkeypatch):
    path = "10.30\u202fAM \u200c.bin"
    assert set_option(EngineOptions(), "BookFile", path).book_file == path
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("ascii"))
    with pytest.raises(ConfigError, match="WeightsFile: file names here are in ascii"):
        set_option(EngineOptions(), "WeightsFile", "B\u00fccher.dit")


@pytest.mark.parametrize("name", ["NoSuchOption", "Clear Hash"])
def test_option_without_a_value_cannot_be_set(name):
    with pytest.raises(ConfigError, match=name):
        set_option(EngineOptions(), name, "1")


@pytest.mark.parametrize(
    ("field", "value"), [("hash_mib", 0), ("threads", True), ("evaluator", "")]
)
def test_options_refuse_bad_values_in_python_too(field, value):
    with pytest.raises(ConfigError, match=field):
        EngineOptions(**{field: value})


def test_flags_win_over_the_config_file(tmp_path):
    config = tmp_path / "aino.toml"
    config.write_text('hash_mib = 64\nevaluator = "material"\ncpuct_init = 2\nponder = true\n')
    parser = argparse.ArgumentParser()
    option_forms.add_flags(parser)
    flags = parser.parse_args(f"--config {config} --hash-mib 16 --no-ponder".split())
    base = EngineOptions(multi_pv=3, cpuct_init=4.0)
    whole = EngineOptions(hash_mib=16, evaluator="material", cpuct_init=2, multi_pv=3)
    assert option_forms.options_from_flags(flags, base) == whole


@pytest.mark.parametrize(("text", "reason"), [("hash = 64", "one of: hash_mib"), ("hash_mib = 0", "1 to"),
                                            ('hash_mib = "64"', "1 to"), ("hash_mib =", "")])  # fmt: skip
def test_a_bad_config_file_is_named(tmp_path, text, reason):
    config = tmp_path / "aino.toml"
    config.write_text(text + "\n")
    with pytest.raises(ConfigError, match=rf"aino\.toml.*{reason}"):
        option_forms.load_toml(config)


def test_the_thread_count_is_what_was_asked_for():
    assert 1 <= EngineOptions().thread_count <= 4
    assert EngineOptions(threads=7).thread_count == 7
