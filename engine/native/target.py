"""What the processor has for which Numba compiles, which a user may have set to another one than
this machine's.

NUMBA_CPU_NAME, NUMBA_CPU_FEATURES and NUMBA_ENABLE_AVX choose it. An instruction that it lacks
would end the process inside LLVM.
"""

from numba.core.registry import cpu_target


def target_has(feature: str) -> bool:
    """Whether the target has a feature, by LLVM's name such as "avx2"; False where Numba leaves
    that to LLVM.
    """
    return f"+{feature}" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")
