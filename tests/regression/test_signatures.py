"""The search's signatures are those recorded in `signatures.txt`, the output of `aino bench
--signature`.

A commit that changes the search on purpose records the new ones and says so in its message. Where
the last bits of BLAS count, a line ends with its kernel: a machine with another kernel has nothing
to compare with.
"""

from pathlib import Path

import pytest

from engine.cli.machine import blas_kernel
from engine.errors import NetFileError
from uci.bench.signature import SIGNATURE_SETTINGS, sign, signature_positions

TEXT = (Path(__file__).parent / "signatures.txt").read_text()
RECORDED = {
    (name, *kernel): f"{nodes} {checksum}"
    for name, nodes, checksum, *kernel in map(str.split, TEXT.splitlines())
}


@pytest.mark.parametrize("name", SIGNATURE_SETTINGS)
def test_the_search_has_its_recorded_signature(name):
    key = (name, blas_kernel()) if SIGNATURE_SETTINGS[name].uses_blas else (name,)
    if key not in RECORDED and SIGNATURE_SETTINGS[name].uses_blas:
        pytest.skip(f"no signature recorded for the BLAS kernel {blas_kernel()}")
    try:
        signature = sign(SIGNATURE_SETTINGS[name])
    except NetFileError as error:
        pytest.skip(f"no shipped net: {error}")
    assert str(signature) == RECORDED[key], (
        "meant to change? then record what `aino bench --signature` prints"
    )


def test_in_kernel_evaluators_have_one_signature_on_all_machines():
    for name, setting in SIGNATURE_SETTINGS.items():
        if not setting.uses_blas:
            assert [key for key in RECORDED if key[0] == name] == [(name,)]


def test_signatures_cover_some_thirty_positions():
    assert len({(board.fen(), *board.move_stack) for board in signature_positions()}) >= 30
