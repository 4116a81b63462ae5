"""One public name of a module means one thing: no two modules define the same, but for those listed
here.
"""

import ast
from collections import defaultdict

from tests.unit.test_imports import MODULES, syntax_tree

# what every subcommand and every in-kernel evaluator defines; the usual names of a type and of a
# logger
INTERFACES = set(
    """
    EXAMPLES add_arguments main parse run
    evaluate_leaf evaluate_policy evaluate_value write_policy write_value
    Array log
    """.split()
)
# Names that two modules still share. Rename one of the two and take the name off the list; add
# none.
SHARED = set(
    """
    ACTIVATIONS Answer BLOCK BYTES Batches CHUNK DEFAULT_NET ENTRY_BYTES
    FORMAT LOG_STEPS LONGEST_LINE LOSSES Loss MOST_PLIES
    NAMES NO_MOVE OPENING_STREAM PART PATIENCE_S PIECE PLIES_LEFT POLICIES ROWS Rows SIDE
    SQUARES STEP STEPS STRETCH SUM_TOLERANCE Source Tell VALUES VERSION
    Value WIN default_config encode evaluate input_transform largest_accumulator load look
    mean_of output_transform planes_of relu settings_of write_features write_moves
    """.split()
)


def public_names(tree):
    """What a module itself defines at its top level."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (name.id for name in names if isinstance(name, ast.Name))


def test_no_two_modules_define_the_same_name():
    homes = defaultdict(set)
    for module in MODULES:
        if module.endswith("_requests") or module.startswith("weights"):
            continue  # Functions of requests are called like the requests that they answer.
        for name in public_names(syntax_tree(module)):
            if not name.startswith("_") and name not in INTERFACES | SHARED:
                homes[name].add(module)
    assert not {name: sorted(modules) for name, modules in homes.items() if len(modules) > 1}
