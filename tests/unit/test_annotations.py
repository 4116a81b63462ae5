"""Type hints stand everywhere but in kernels, whose types Numba infers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for package in ("engine", "selfplay", "uci") for path in (ROOT / package).rglob("*.py"))
# Their decorators and instructions are typed by Numba and LLVM.
for name in ("bits.py", "integer_lanes.py", "jit.py", "lanes.py", "ordering.py", "prefetch.py"):
    FILES.remove(ROOT / "engine" / "native" / name)
COMPILED = {"kernel"}


def functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """All functions below a node, except compiled ones and what is defined inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            if not COMPILED & {_name(decorator) for decorator in child.decorator_list}:
                yield child
        elif isinstance(child, ast.ClassDef | ast.If | ast.Try):
            yield from functions(child)


def _name(decorator: ast.expr) -> str:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def missing_annotations(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    missing = [argument.arg for argument in named if argument.annotation is None]
    if missing[:1] in (["self"], ["cls"]):
        del missing[0]
    return missing if function.returns is not None else [*missing, "return"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_outside_kernels_are_annotated(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = {function.name: missing_annotations(function) for function in functions(tree)}
    assert not {name: what for name, what in missing.items() if what}


def test_missing_annotations_are_found() -> None:
    source = "@kernel()\ndef a(x): ...\nclass C:\n  def b(self, y) -> int: ...\n  def c(self, z: int): ...\n"
    found = {function.name: missing_annotations(function) for function in functions(ast.parse(source))}
    assert found == {"b": ["y"], "c": ["return"]}
