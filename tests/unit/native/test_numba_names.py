"""`engine.native.whole` builds on names that Numba does not promise to keep: each of them is still there.

Where a test here fails, read what the new version of Numba does instead, change `engine/native/whole.py`, and only then
raise the upper bound in `pyproject.toml`.
"""

import importlib

import numba
import pytest
from numba.core.registry import cpu_target

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
    assert_has(found, NAMES[place])


def test_objects_of_numba_have_the_parts_that_are_used() -> None:
    codegen, dispatcher = cpu_target.target_context.codegen(), numba.njit(lambda x: x)
    library = codegen.create_library("names")
    assert_has(library, ("_final_module", "_linking_libraries", "_shared_module", "_codegen", "_finalized", "codegen"))
    assert_has(codegen, ("_data_layout", "_module_pass_manager", "set_env"))
    assert_has(cpu_target.typing_context.callstack, ("_fail_cache",))
    assert_has(dispatcher, ("_compiler",))
    assert_has(dispatcher._compiler, ("py_func", "targetdescr", "targetoptions", "locals", "pipeline_class"))


def assert_has(holder: object, names: tuple[str, ...]) -> None:
    missing = [name for name in names if not hasattr(holder, name)]
    assert not missing, f"Numba {numba.__version__}: {holder!r} has no {', '.join(missing)}: {OLDER}"
