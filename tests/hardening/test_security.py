"""What the program must never do, read from its syntax trees: run data as code, run a shell, unpack to named places.

Numba's own kernel cache is made of pickles; test_places.py has who may write there.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.unit.test_imports import MODULES, syntax_tree

FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "yaml", "joblib", "torch"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnv", "subprocess.getoutput", "subprocess.getstatusoutput",
    "tempfile.mktemp", "os.chmod", "os.umask",
}  # fmt: skip
# Byte code that is hashed, never run.
COMPILES, COMPILED = "engine.native.dependencies", "compile()"
# `generated_kernel` makes a kernel from a table in the source, as `NamedTuple` makes a class. These have such tables.
GENERATOR, GENERATES, GENERATED_FROM = "engine.native.jit", "exec()", {"engine.search.tree.arrays"}
UNPACKERS = {"extractall", "extract", "unpack_archive"}  # archives are read in memory, their members name no files


def faults(tree: ast.Module) -> Iterator[str]:
    """What a module does that it must not, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            from_module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            reached = [from_module, *names, *(f"{from_module}.{name}" for name in names)]
            for name in reached:
                if name.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_ATTRIBUTES:
                    yield f"line {node.lineno}: import of {name}"
        elif isinstance(node, ast.Call):
            yield from _faults_of_call(node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in FORBIDDEN_ATTRIBUTES:
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _faults_of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    flags = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in FORBIDDEN_NAMES:
        yield f"line {call.lineno}: {name}()"
    if name.rpartition(".")[2] in UNPACKERS and "." in name:
        yield f"line {call.lineno}: {name}()"
    if flags.get("shell", "False") != "False":
        yield f"line {call.lineno}: a shell"
    if flags.get("allow_pickle", "False") != "False" or (
        name in ("np.load", "numpy.load") and "allow_pickle" not in flags
    ):
        yield f"line {call.lineno}: {name} may unpickle"


def test_modules_run_no_data_as_code() -> None:
    found = {name: [fault.partition(": ")[2] for fault in faults(syntax_tree(name))] for name in MODULES}
    assert {name: told for name, told in found.items() if told} == {GENERATOR: [GENERATES], COMPILES: [COMPILED]}


def test_kernels_are_generated_from_tables_in_the_source_alone() -> None:
    used = {name: {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(syntax_tree(name))}
            for name in MODULES}  # fmt: skip
    assert {name for name in MODULES if "generated_kernel" in used[name]} == GENERATED_FROM


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from os import system",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "eval('1')",
        "exec(compile('1', '', 'exec'))",
        "import os\nos.system('ls')",
        "import tarfile\ntarfile.open('x').extractall()",
        "import tempfile\nname = tempfile.mktemp()",
    ],
)
def test_what_is_forbidden_is_seen(source: str) -> None:
    assert list(faults(ast.parse(source)))
