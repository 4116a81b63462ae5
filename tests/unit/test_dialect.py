"""Comments and docstrings in one dialect; ruff checks that docstrings of functions begin with a
verb (D401).
"""

import ast
import re
import tokenize

from tests.new_process import ROOT
from tests.unit.test_imports import MODULES, syntax_tree

FOLDERS = "engine selfplay uci benchmarks tests .ci".split()
DOUBLE = re.compile(r"(?<!`)`{2}(?!`)")
FOR_TOOLS = re.compile(r"# ?(noqa|fmt:|type:|mypy:|ruff:|!|-{4})")


def comments(path):
    """The comments that stand on lines of their own, each with its first line's number."""
    with tokenize.open(path) as stream:
        lines = [
            (token.start[0], token.string)
            for token in tokenize.generate_tokens(stream.readline)
            if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#")
        ]
    begun = []
    last = -1
    for number, text in (line for line in lines if not FOR_TOOLS.match(line[1])):
        first, above = begun.pop() if number == last + 1 else (number, "")
        begun.append((first, f"{above} {text.lstrip('# ').rstrip()}".lstrip()))
        last = number
    yield from begun


def is_sentence(comment):
    """Whether a comment begins as a sentence does, or with a name or number, and ends as one."""
    return not comment or (not comment[0].islower() and comment[-1] in ".:?!)")


def sources(*apart):
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        if not (place := path.relative_to(ROOT).as_posix()).startswith(apart):
            yield place, path


def test_comments_on_their_own_lines_are_sentences():
    placed = [(place, *comment) for place, path in sources("tests/") for comment in comments(path)]
    assert len(placed) > 100
    assert not [(place, number, text) for place, number, text in placed if not is_sentence(text)]


def test_names_stand_in_single_backquotes():
    assert not [place for place, path in sources() if DOUBLE.search(path.read_text("utf-8"))]


# ---- type hints stand everywhere but in kernels, whose types Numba infers ------------------------


# Their decorators and instructions are typed by Numba and LLVM.
TYPED_BY_NUMBA = {
    f"engine.native.{name}"
    for name in "bits elementary integer_lanes jit lanes atomics prefetch".split()
}


def functions(node):
    """All functions below a node, except kernels and what is defined inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            if not any(
                ast.unparse(decorator).startswith("kernel(") for decorator in child.decorator_list
            ):
                yield child
        elif isinstance(child, ast.ClassDef | ast.If | ast.Try):
            yield from functions(child)


def test_functions_outside_kernels_are_annotated():
    """Mypy finds those that are annotated in part."""
    assert not [
        f"{name}.{function.name}"
        for name in MODULES
        if name not in TYPED_BY_NUMBA
        for function in functions(syntax_tree(name))
        if function.returns is None
    ]
