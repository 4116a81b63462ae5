"""The names of Numba that are not public, on which `link_time`, `kernel_files`, `by_type` and
`front_indices` build.

A version of Numba that lacks one of them must not keep the engine from starting: `jit` then
compiles with Numba's public decorator and its own cache, which optimises a kernel again in each of
its callers. So the first search compiles more than three times as long (it was not done after 129
CPU seconds, where 37 are usual), and `pyproject.toml` allows the versions that were tried.

Tried with Numba 0.62.1, 0.65.1 and 0.68.1: `tests/unit/native/test_numba_names.py` looks for each.
"""

import functools
from importlib import import_module
from typing import Any

# By module: classes and functions, and what is used of them.
NAMES = {
    "numba.core.codegen": (
        "JITCodeLibrary.finalize JITCodeLibrary.create_ir_module "
        "JITCodeLibrary.enable_object_caching JITCodeLibrary._optimize_functions "
        "JITCodeLibrary._optimize_final_module JITCodeLibrary._get_module_for_linking "
        "JITCodeLibrary._ensure_finalized JITCPUCodegen.set_env JITCPUCodegen.magic_tuple "
        "JITCPUCodegen._pass_builder JITCPUCodegen._module_pass_manager"
    ),
    "numba.core.compiler": (
        "CompilerBase DefaultPassBuilder.define_nopython_pipeline _LowerResult "
        "CompileResult._reduce CompileResult._rebuild"
    ),
    "numba.core.compiler_machinery": "register_pass",
    "numba.core.dispatcher": "_FunctionCompiler._compile_core",
    "numba.core.environment": "lookup_environment",
    "numba.core.funcdesc": "ExternalFunctionDescriptor",
    "numba.core.registry": (
        "CPUDispatcher.add_overload CPUDispatcher.get_call_template CPUDispatcher.get_overload "
        "CPUDispatcher.is_compiling"
    ),
    "numba.core.serialize": "dumps",
    "numba.core.sigutils": "normalize_signature",
    "numba.core.typed_passes": "NativeLowering.run_pass",
    "numba.core.types": "Dispatcher",
    "numba.np.arrayobj": "fix_integer_index",
}
# By class: the fields that its objects get.
FIELDS = {
    "numba.core.codegen.JITCodeLibrary": (
        "_codegen _final_module _finalized _linking_libraries _name _shared_module"
    ),
    "numba.core.codegen.JITCPUCodegen": "_data_layout",
    "numba.core.registry.CPUDispatcher": "_compiler _cache overloads",
    "numba.core.dispatcher._FunctionCompiler": (
        "locals pipeline_class py_func targetdescr targetoptions"
    ),
}


@functools.cache
def missing_name() -> str:
    """Return the first of these names that the installed Numba lacks; "" where it has all."""
    for module, names in NAMES.items():
        for name in names.split():
            if not has_name(module, name):
                return f"{module}.{name}"
    for place, fields in FIELDS.items():
        for field in fields.split():
            if not has_field(place, field):
                return f"{place}.{field}"
    return ""


def has_name(module: str, name: str) -> bool:
    """Whether a module of Numba has a name, or the attribute of a class in it."""
    try:
        owner: Any = import_module(module)
        for part in name.split("."):
            owner = getattr(owner, part)
    except (ImportError, AttributeError):
        return False
    return True


def has_field(place: str, field: str) -> bool:
    """Whether the objects of a class of Numba get a field when they are made."""
    module, _, name = place.rpartition(".")
    if not has_name(module, name):
        return False
    for kind in getattr(import_module(module), name).__mro__:
        if field in vars(kind):  # the value before the object's own
            return True
        for maker in ("__init__", "_init"):
            code = getattr(vars(kind).get(maker), "__code__", None)
            if code is not None and field in code.co_names:
                return True
    return False
