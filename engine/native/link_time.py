"""Kernels that are optimised once, as a whole: one that Python calls, with all kernels that it
reaches.

Numba optimises a callee and makes machine code of it inside each of its callers again: the last in
a chain of ten calls is compiled ten times. Here a kernel that another one calls is only translated
to LLVM's language. The one that Python calls links the translations of all that it reaches, and the
optimiser sees each of them once.

So a kernel is two dispatchers: the one that Python calls, whose machine code is cached, and behind
it a `_Part` for calls by other kernels, of which the translation is cached (`kernel_files`).

All this builds on names of Numba that are not public: `numba_names` lists them, and where one is
missing `jit` does without this module.
"""

import gc
from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import binding
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import register_pass
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.environment import lookup_environment
from numba.core.errors import LoweringError, NumbaError
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

from engine.native.front_indices import count_from_front

# Prefixes of names that Numba gives.
_ENVIRONMENT = "_ZN08NumbaEnv"  # To a function's environment.
_WRAPPER = "_ZN7cpython"  # To the function that Python calls.
UNRESOLVED = ".numba.unresolved$"  # To an address that is filled in at run time.


# Objects made between two looks of the garbage collector, and between two at older ones: with
# Python's usual numbers it takes an eighth of the time.
_GARBAGE = (100_000, 50)


# ---- libraries: LLVM modules of one function -----------------------------------------------------


class _KernelLibrary(JITCodeLibrary):
    """A kernel, whose indices count from the front."""

    def create_ir_module(self, name: str) -> Any:
        return count_from_front(super().create_ir_module(name))

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class PartLibrary(_KernelLibrary):
    """A callee's translation, of which nothing is optimised but its variables, without machine
    code.
    """

    def finalize(self) -> None:
        passes = binding.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_dead_code_elimination_pass()
        passes.add_global_dead_code_eliminate_pass()
        passes.run(self._final_module, self._codegen._pass_builder())
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """All that this callee reaches in one module, for a caller that is no kernel of ours."""
        module = self._final_module.clone()
        for library in _reached(self._linking_libraries):
            if isinstance(library, PartLibrary):
                module.link_in(library._final_module, preserve=True)
            else:
                module.link_in(library._get_module_for_linking(), preserve=True)
        for function in module.functions:
            if not function.is_declaration and function.linkage == binding.Linkage.external:
                function.linkage = binding.Linkage.linkonce_odr
        return module


class _WholeLibrary(_KernelLibrary):
    """A kernel that Python calls, with all that it reaches, optimised and compiled."""

    _linking_libraries: list[Any]
    _shared_module: Any

    def finalize(self) -> None:
        self.parts = 0  # how many callees it has, directly or not
        machine_libraries = []
        for library in _reached(self._linking_libraries):
            if isinstance(library, PartLibrary):
                self._final_module.link_in(library._final_module, preserve=True)
                self.parts += 1
            else:
                machine_libraries.append(library)
        self._linking_libraries = machine_libraries
        if any(
            variable.name.startswith(UNRESOLVED) for variable in self._final_module.global_variables
        ):
            raise LoweringError(
                f"{self.name}: kernels that call each other in a circle, or one that calls itself with other types, "
                "cannot be kept in the cache; call it with np.int64(1), not 1"
            )
        super().finalize()
        for variable in self._final_module.global_variables:
            if variable.name.startswith(_ENVIRONMENT):
                environment = lookup_environment(variable.name)
                if environment is not None:
                    self.codegen.set_env(variable.name, environment)

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and not function.name.startswith(_WRAPPER):
                function.linkage = binding.Linkage.internal
                # The linker takes equal names in other libraries for the same.
                function.name = f"part.{function.name}"
        manager, builder = self._codegen._module_pass_manager()
        manager.run(self._final_module, builder)

    def _get_module_for_linking(self) -> Any:
        """Return the names that this library defines, without their contents, which nothing needs."""
        self._ensure_finalized()
        if self._shared_module is None:
            self._shared_module = binding.parse_assembly("\n".join(_stubs(self._final_module)))
        return self._shared_module


def _stubs(module: Any) -> Iterator[str]:
    for function in module.functions:
        if not function.is_declaration and function.linkage != binding.Linkage.internal:
            yield f'define void @"{function.name}"() {{ unreachable }}'
    for variable in module.global_variables:
        if not variable.is_declaration and variable.linkage != binding.Linkage.internal:
            yield f'@"{variable.name}" = common global i64 0'


def _reached(libraries: list[Any]) -> Iterator[Any]:
    """Libraries, and those that their parts call, directly or not, each of them once."""
    seen: set[Any] = set()
    waiting = list(libraries)
    while waiting:
        library = waiting.pop()
        if library not in seen:
            seen.add(library)
            yield library
            if isinstance(library, PartLibrary):
                waiting += library._linking_libraries


# ---- compilers: Numba's, with these libraries ----------------------------------------------------


@register_pass(mutates_CFG=True, analysis_only=False)
class _WholeLowering(NativeLowering):
    _name = "whole_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _WholeLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags = state.flags.copy()
        state.flags.no_compile = True
        super().run_pass(state)
        state.library.finalize()
        lowered = state.cr
        name = object()  # By this, other functions find the translation; there is no address.
        state.targetctx.insert_user_function(name, lowered.fndesc, [state.library])
        state.cr = _LowerResult(lowered.fndesc, lowered.call_helper, name, lowered.env)
        return True


class _WholeCompiler(CompilerBase):
    lowering: type[NativeLowering] = _WholeLowering

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (self.lowering if compiler_pass is NativeLowering else compiler_pass, text)
            for compiler_pass, text in passes.passes
        ]
        passes._finalized = False
        passes.finalize()
        return [passes]


class _PartCompiler(_WholeCompiler):
    lowering = _PartLowering


class _WithoutCounting(_FunctionCompiler):
    """Compiles without code that counts references, which takes half the time, unless a function
    makes arrays.

    Assigning an array to a row or a slice of another makes one too.
    """

    targetoptions: dict[str, Any]

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        options = self.targetoptions
        usual = gc.get_threshold()
        gc.set_threshold(*_GARBAGE)
        try:
            self.targetoptions = {**options, "_nrt": False}
            return super()._compile_core(args, return_type)
        except NumbaError:  # It may have other causes; then the second attempt raises it again.
            # It would repeat the first one's failures.
            self.targetdescr.typing_context.callstack._fail_cache.clear()
            self.targetoptions = {**options, "_nrt": True}  # A callee would inherit its caller's.
            return super()._compile_core(args, return_type)
        finally:
            self.targetoptions = options
            gc.set_threshold(*usual)


def _without_counting(dispatcher: Any) -> Any:
    old = dispatcher._compiler
    return _WithoutCounting(
        old.py_func, old.targetdescr, old.targetoptions, old.locals, old.pipeline_class
    )


# ---- dispatchers ---------------------------------------------------------------------------------


class _Part(CPUDispatcher):
    """A kernel as other kernels call it."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        options = {**options, "no_cpython_wrapper": True}
        super().__init__(function, targetoptions=options, pipeline_class=_PartCompiler)
        self._compiler = _without_counting(self)

    def add_overload(self, cres: Any) -> None:
        self.overloads[tuple(cres.signature.args)] = cres


class Kernel(CPUDispatcher):
    """A function compiled with these options of `numba.njit`; compiled kernels may call it too."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        # Kernels are never called from C.
        options = {"nopython": True, "no_cfunc_wrapper": True, **options}
        super().__init__(function, targetoptions=options, pipeline_class=_WholeCompiler)
        self._compiler = _without_counting(self)
        self._part = _Part(function, options)

    # What Numba asks when another function calls this one.

    @property
    def is_compiling(self) -> bool:
        return bool(super().is_compiling or self._part.is_compiling)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self._part.get_call_template(args, kws)

    def get_overload(self, args: Any) -> Any:
        return self._part.get_overload(args)
