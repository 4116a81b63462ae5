"""Type hints stand everywhere but in kernels, whose types Numba infers."""

import ast
from collections.abc import Iterator

from tests.unit.test_imports import MODULES, syntax_tree

# Their decorators and instructions are typed by Numba and LLVM.
TYPED_BY_NUMBA = {
    f"engine.native.{name}" for name in ("bits", "elementary", "integer_lanes", "jit", "lanes", "ordering", "prefetch")
}


def functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """All functions below a node, except kernels and what is defined inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            if not any(ast.unparse(decorator).startswith("kernel(") for decorator in child.decorator_list):
                yield child
        elif isinstance(child, ast.ClassDef | ast.If | ast.Try):
            yield from functions(child)


def missing_annotations(tree: ast.Module) -> dict[str, list[str]]:
    """What lacks a hint, by function: arguments, and "return"."""
    found = {}
    for function in functions(tree):
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        missing = [argument.arg for argument in named if argument.annotation is None]
        if missing[:1] in (["self"], ["cls"]):
            del missing[0]
        if function.returns is None:
            missing.append("return")
        if missing:
            found[function.name] = missing
    return found


def test_functions_outside_kernels_are_annotated() -> None:
    found = {name: missing_annotations(syntax_tree(name)) for name in MODULES if name not in TYPED_BY_NUMBA}
    assert not {name: missing for name, missing in found.items() if missing}


def test_missing_annotations_are_found() -> None:
    source = "@kernel()\ndef a(x): ...\nclass C:\n  def b(self, y) -> int: ...\n  def c(self, z: int): ...\n"
    assert missing_annotations(ast.parse(source)) == {"b": ["y"], "c": ["return"]}
