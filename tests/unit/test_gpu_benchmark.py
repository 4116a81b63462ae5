"""The command for the day of a GPU runs to its end, here on the stand-in and as small as it can be."""

import pytest

from benchmarks import gpu


@pytest.mark.usefixtures("small_parts")
def test_benchmark_of_a_gpu_prints_a_row_for_everything(device, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    flags = "--nets 8x1 --batches 4 --train-batch 16 --games 4 --nodes 16 --seconds 0.01 --no-tests"
    gpu.main(flags.split())
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("a stand-in, ")
    assert first.endswith("PyTorch is missing: only ours is timed")
    assert [row.partition("  ")[0] for row in rows] == [
        "work", "inference", "search", "self-play, 32 visits", "training"]  # fmt: skip
    assert all(float(row.split()[-1].replace(",", "")) > 0 for row in rows[1:])
    assert device.total("product") > 0
