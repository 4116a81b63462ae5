"""The same trees everywhere? `python -m benchmarks.machines` compares signatures and generates code
for other systems.

    signature            of sparse and material, compiled anew for each x86-64 target (NUMBA_CPU_NAME) and with each
                         --python, which is a command such as /opt/python3.14/bin/python3 with Aino's dependencies, or
                         "qemu-aarch64-static -L ROOT ROOT/usr/bin/python3" for another processor
    code                 machine code of all kernels of all searches, and of those that the --tests call, for systems
                         that are not here, and what it calls outside: nothing whose results differ between systems

    python -m benchmarks.machines --only code --tests tests/gradient tests/selfplay/data
    python -m benchmarks.machines --targets haswell --python python3.13

A signature takes one to two minutes of a core, the code three. The exit status is 1 if anything
differs or fails.
"""

import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llvmlite.binding import get_host_cpu_features

from benchmarks.measuring import Row, existing, new_parser, program, report

ROOT = Path(__file__).resolve().parents[1]
RECORDED = ROOT / "tests" / "regression" / "signatures.txt"
# From the widest registers to the narrowest. Numba adds the features of this machine's processor to
# a bare name; with a list of its own, LLVM adds what the named processor has.
TARGETS: dict[str, dict[str, str]] = {
    "native": {},
    "skylake-avx512": {
        "NUMBA_CPU_NAME": "skylake-avx512",
        "NUMBA_CPU_FEATURES": "+avx512f,+avx512vl,+avx2",
    },
    "znver3": {"NUMBA_CPU_NAME": "znver3", "NUMBA_CPU_FEATURES": "+avx2"},
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2"},
    "nehalem": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
COMPARED = ("material", "sparse")  # The others' last bits depend on the BLAS library.
LONGEST_S = 7200
_LONGEST_TEXT = 500  # characters of an error
_X86 = ("x86_64", "AMD64")

# Compiles all kernels of searches, and of the tests that are its arguments, for a processor without
# extensions, then generates code for these systems.
GENERATOR = """
import contextlib, re, sys
import llvmlite.binding as llvm
import pytest
from engine.native import atomics, link_time
from engine.options import EngineOptions
from engine.player import Engine

SYSTEMS = {
    "macOS, Apple M1": ("arm64-apple-macosx12.0.0", "apple-m1"),
    "Windows x64": ("x86_64-pc-windows-msvc", "haswell"),
    "Windows arm64": ("aarch64-pc-windows-msvc", ""),
    "Linux arm64, Cortex-A72": ("aarch64-unknown-linux-gnu", "cortex-a72"),
    "Linux arm64, Neoverse V2": ("aarch64-unknown-linux-gnu", "neoverse-v2"),
}
modules = []
optimize = link_time._WholeLibrary._optimize_final_module

def keep(library):
    optimize(library)
    modules.append(library._final_module.as_bitcode())

link_time._WholeLibrary._optimize_final_module = keep
atomics._PAUSES.clear()  # the one instruction of a certain processor
for evaluator in ("auto", "material", "network", "hybrid"):
    with Engine(EngineOptions(hash_mib=16, threads=2, evaluator=evaluator, backend="numpy")) as engine:
        engine.warm_up()
with contextlib.redirect_stdout(sys.stderr):
    if sys.argv[1:] and pytest.main(["-q", "-n", "0", *sys.argv[1:]]):
        sys.exit("a test failed")

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
outside = set()
for name, (triple, processor) in SYSTEMS.items():
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=2, reloc="pic")
    size = 0
    for code in modules:
        module = llvm.parse_bitcode(code)
        module.triple, module.data_layout = triple, str(machine.target_data)
        module.verify()
        size += len(machine.emit_object(module))
        outside |= {function.name for function in module.functions if function.is_declaration}
    print(f"{name}\\t{len(modules)} modules\\t{size} bytes", flush=True)
known = re.compile(r"_?Py|numba_|NRT_|aino_give_way|llvm\\.(?!exp|log|pow|sin|cos|tan|fma\\.)|mem(cpy|set)|sqrtf?$")
print("outside\\t" + " ".join(sorted(name for name in outside if not known.match(name))))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows of everything that was tried; 1 if a row is not good."""
    parser = new_parser(__doc__)
    parser.add_argument("--only", choices=("signature", "code"), help="leave the other part out")
    parser.add_argument(
        "--targets",
        nargs="*",
        choices=TARGETS,
        default=list(TARGETS),
        help="x86-64 targets of LLVM",
    )
    parser.add_argument(
        "--tests",
        nargs="*",
        type=existing,
        default=[],
        metavar="PATH",
        help="generate code for their kernels, too",
    )
    parser.add_argument(
        "--python",
        type=program,
        action="append",
        default=[],
        metavar="COMMAND",
        help="another Python; repeatable",
    )
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    targets = options.targets if platform.machine() in _X86 else ("native",)
    if options.only != "code":
        rows += signature_rows(targets, options.python)
    if options.only != "signature":
        rows += code_rows(options.tests)
    report(rows, options.json)
    return int(any(row["result"] != "good" for row in rows))


def signature_rows(targets: Sequence[str], pythons: Sequence[str]) -> Iterator[Row]:
    """Return a row for each target of this Python, and for each other Python."""
    recorded = numbers_by_evaluator(RECORDED.read_text())
    commands = [(name, sys.executable, TARGETS[name]) for name in targets if _runs_here(name)]
    for name, command, environment in commands + [(command, command, {}) for command in pythons]:
        measured, error = signature(shlex.split(command), environment)
        result = "good"
        if any(measured.get(evaluator) != recorded[evaluator] for evaluator in COMPARED):
            result = error or f"differs: {measured}"
        yield {"what": f"signature, {name}", "result": result}


def numbers_by_evaluator(signatures: str) -> dict[str, list[str]]:
    """Return nodes and checksum of each line."""
    lines = filter(None, map(str.split, signatures.splitlines()))
    return {evaluator: numbers[:2] for evaluator, *numbers in lines}


def _runs_here(target: str) -> bool:
    has = get_host_cpu_features()
    features = filter(None, TARGETS[target].get("NUMBA_CPU_FEATURES", "").split(","))
    return all(has.get(feature[1:]) for feature in features)


def signature(
    command: Sequence[str], environment: Mapping[str, str]
) -> tuple[dict[str, list[str]], str]:
    """Nodes and checksum by evaluator, compiled anew, and the last line of what went wrong."""
    done = _run_compiling([*command, "-m", "uci", "bench", "--signature"], environment)
    error = ""
    if done.returncode:
        error = "".join(done.stderr.strip().splitlines()[-1:])
    return numbers_by_evaluator(done.stdout), error


def _run_compiling(
    command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command in this checkout with an empty kernel cache."""
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment, "AINO_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )


def code_rows(tests: Sequence[str]) -> Iterator[Row]:
    """Return a row for each system for which code was generated, and one for what the kernels call
    outside.
    """
    done = _run_compiling([sys.executable, "-P", "-c", GENERATOR, *tests], TARGETS["generic"])
    if done.returncode:
        error = " ".join(done.stderr.split())[-_LONGEST_TEXT:]
        yield {"what": "code", "result": f"status {done.returncode}: {error}"}
    for name, *words in (line.split("\t") for line in done.stdout.splitlines()):
        if name == "outside":
            calls = ", ".join(" ".join(words).split())
            result = "they differ" if calls else "good"
            yield {"what": f"calls whose results may differ: {calls or 'none'}", "result": result}
        else:
            yield {"what": f"code, {name}: {', '.join(words)}", "result": "good"}


if __name__ == "__main__":
    sys.exit(main())
