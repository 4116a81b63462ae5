"""`engine.native.whole` builds on names that Numba does not promise to keep: each of them is still there.

Where a test here fails, read what the new version of Numba does instead, change `engine/native/whole.py`, and only then
raise the upper bound in `pyproject.toml`.
"""

import importlib
import tomllib
from pathlib import Path

import numba
import pytest
from numba.core.registry import cpu_target

ROOT = Path(__file__).resolve().parents[3]
OLDER = "before a new version is tried, `engine/native/whole.py` has to be read against it"

# Module and attribute path; of a class also its members.
NAMES = {
    "numba.core.codegen:JITCodeLibrary": (
        "finalize", "_optimize_functions", "_optimize_final_module", "_get_module_for_linking", "_ensure_finalized",
        "enable_object_caching",
    ),
    "numba.core.compiler:CompilerBase": ("define_pipelines",),
    "numba.core.compiler:DefaultPassBuilder": ("define_nopython_pipeline",),
    "numba.core.compiler:_LowerResult": ("_fields",),
    "numba.core.compiler_machinery:PassManager": ("finalize",),
    "numba.core.compiler_machinery:register_pass": (),
    "numba.core.dispatcher:_FunctionCompiler": ("_compile_core",),
    "numba.core.environment:lookup_environment": (),
    "numba.core.registry:CPUDispatcher": ("is_compiling", "get_call_template", "get_overload", "add_overload"),
    "numba.core.typed_passes:NativeLowering": ("run_pass",),
    "numba.core.types:Dispatcher": (),
}  # fmt: skip


@pytest.mark.parametrize("place", NAMES)
def test_a_name_of_numba_is_there(place: str) -> None:
    module, _, name = place.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    assert found is not None, f"Numba {numba.__version__} has no {place}: {OLDER}"
    missing = [member for member in NAMES[place] if not hasattr(found, member)]
    assert not missing, f"Numba {numba.__version__}: {place} has no {', '.join(missing)}: {OLDER}"


def test_a_library_has_the_parts_that_are_linked() -> None:
    codegen = cpu_target.target_context.codegen()
    library = codegen.create_library("names")
    for holder, names in (
        (library, ("_final_module", "_linking_libraries", "_shared_module", "_codegen", "_finalized", "codegen")),
        (codegen, ("_data_layout", "_module_pass_manager", "set_env")),
        (cpu_target.typing_context.callstack, ("_fail_cache",)),
    ):
        missing = [name for name in names if not hasattr(holder, name)]
        assert not missing, f"Numba {numba.__version__}: {type(holder).__name__} has no {', '.join(missing)}: {OLDER}"


def test_a_dispatcher_has_the_parts_that_are_replaced() -> None:
    dispatcher = numba.njit(lambda x: x)
    assert hasattr(dispatcher, "_compiler"), f"Numba {numba.__version__}: a dispatcher has no _compiler: {OLDER}"
    parts = ("py_func", "targetdescr", "targetoptions", "locals", "pipeline_class")
    missing = [name for name in parts if not hasattr(dispatcher._compiler, name)]
    assert not missing, f"Numba {numba.__version__}: a function compiler has no {', '.join(missing)}: {OLDER}"


def test_the_installed_version_is_within_the_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = next(one for one in project["dependencies"] if one.startswith("numba")).removeprefix("numba").split(",")
    least, beyond = (tuple(map(int, bound.lstrip("<>=").split("."))) for bound in bounds)
    found = tuple(map(int, numba.__version__.split(".")[:2]))
    assert least <= found < beyond, f"Numba {numba.__version__} is installed and was never tested: {OLDER}"
