"""Who may import whom, read from the syntax trees; and that importing does nothing else."""

import ast
import itertools
import re
import sys
import tomllib
from functools import cache

import pytest

from tests.new_process import ROOT, output_of

PACKAGES = "engine selfplay uci weights".split()

# A part of the house -> the parts it may import besides itself. `engine` is the package's own,
# lazy, __init__.
BASE = {"engine.errors", "engine.files", "engine.options", "engine.version"}
TOOLS = BASE | {"engine.backend", "engine.native"}
TACTICS = TOOLS | {"engine.board"}
NETWORK = TACTICS | {"engine.nn", "engine.tactics"}
EVALUATION = NETWORK | {"engine.network"}
SEARCH = (EVALUATION | {"engine.evaluation"}) - {"engine.nn"}
PLAYER = SEARCH | {"engine.search"}
ENGINE = PLAYER | {"engine", "engine.cli", "engine.nn", "engine.pages", "engine.player"}
# The floors of self-play, lowest first; all of them may use the small modules beside its folders.
SELFPLAY_TOOLS = {f"selfplay.{name}" for name in ("interrupt", "lock", "threads")}
RECORDS = ENGINE | SELFPLAY_TOOLS | {"weights", "selfplay.records"}
TRAINING = RECORDS | {"selfplay.data"}
MATCHES = RECORDS | {"selfplay.games"}
RUN = TRAINING | MATCHES | {"selfplay.training", "selfplay.families", "selfplay.matches"}
REPORT = RUN | {"selfplay.run"}
FOR_PEOPLE = ENGINE | set(
    (
        "uci uci.catalogues uci.help_language uci.language uci.loading uci.pages uci.common "
        "uci.openings"
    ).split()
)
MAY_IMPORT = {
    **dict.fromkeys(SELFPLAY_TOOLS, ENGINE),
    "selfplay.threads": ENGINE | {"selfplay.interrupt"},
    "selfplay.records": ENGINE | SELFPLAY_TOOLS | {"weights"},
    "selfplay.data": RECORDS,
    "selfplay.games": RECORDS,
    "selfplay.teachers": MATCHES | {"selfplay.data", "selfplay.matches"},
    "selfplay.training": TRAINING,
    "selfplay.families": TRAINING | {"selfplay.training"},
    "selfplay.matches": MATCHES | {"selfplay.data"},
    "selfplay.suites": MATCHES | {"selfplay.matches"},
    "selfplay.run": RUN,
    "selfplay.report": REPORT,
    "selfplay.commands": REPORT | {"selfplay.report", "selfplay.suites", "selfplay.teachers"},
    "selfplay.main": ENGINE | SELFPLAY_TOOLS | {"selfplay.commands"},
    "engine.errors": set(),
    "engine.options": {"engine.errors"},
    "engine.backend": BASE,
    "engine.cli": BASE | {"engine.native"},
    "engine.version": set(),
    "engine.files": {"engine.errors", "engine.version"},
    "engine.native": BASE,
    "engine.nn": TOOLS,
    "engine.pages": {"engine.errors", "engine.files"},
    "engine.board": TOOLS,
    "engine.tactics": TACTICS,
    "engine.network": NETWORK,
    "engine.evaluation": EVALUATION,
    "engine.search": SEARCH,
    "engine.engine_parts": PLAYER,
    "engine.player": PLAYER | {"engine.engine_parts"},
    "engine": {"engine.options", "engine.player", "engine.search", "engine.version"},
    "selfplay": set(),
    "selfplay.__main__": {"selfplay.main"},
    # The rooms of the command `aino`: the conversation with a GUI and the commands for people do
    # not know each other.
    "uci": {"engine"},
    "uci.__main__": {"uci.main"},
    "uci.main": ENGINE | {"uci"},
    "uci.loading": ENGINE | {"uci"},
    "uci.tools": ENGINE | {"uci"},
    "uci.bench": ENGINE | {"uci", "uci.loading", "uci.tools"},
    "uci.protocol": ENGINE | {"uci", "uci.loading", "uci.tools", "uci.bench"},
    "uci.catalogues": {"uci"},
    "uci.language": {"uci", "uci.catalogues"},
    "uci.help_language": {"uci", "uci.catalogues", "uci.language"},
    "uci.pages": ENGINE | {"uci", "uci.language"},
    "uci.openings": ENGINE,
    "uci.common": FOR_PEOPLE - {"uci.common"},
    "uci.game": FOR_PEOPLE,
    **dict.fromkeys(("uci.analyse", "uci.annotate", "uci.explain"), FOR_PEOPLE),
    "uci.library": FOR_PEOPLE | {"uci.game", "uci.annotate"},
    "uci.web": FOR_PEOPLE | {"uci.game", "uci.annotate", "uci.library"},
    "uci.play": FOR_PEOPLE | {"uci.game", "uci.web", "uci.annotate", "uci.library"},
    "weights": set(),
}
# The floors of `engine.network`, lowest first: modules beside its folders, and folders.
NETWORK_FLOORS = (
    "outputs manifest planes policy_map accumulator",
    "input_formats fused value",
    "sparse tower transformer",
    "families",
    "lc0 device_network",
    "weights onnx_graph",
    "people weightless",
)
# What only these modules may import; everybody else goes through them.
LLVM = {
    f"engine.native.{name}"
    for name in "by_type elementary instructions integer_lanes kernel_files lanes atomics prefetch link_time".split()
}
NUMBA = LLVM | {
    f"engine.native.{name}"
    for name in "bits compile_events dependencies front_indices jit target".split()
}
ONLY_IMPORTERS = {
    "numba": NUMBA,
    "llvmlite": LLVM,
    "cupy": {"engine.backend"},
    "concurrent.futures.ThreadPoolExecutor": {"engine.native.pool", "uci.library.worker"},
    "fcntl": {"engine.files.atomic", "engine.native.locks"},
    "msvcrt": {"engine.native.locks"},
}
# What an import of another name brings along.
DISTRIBUTIONS = {
    "IPython": "ipykernel",
    "cupy": "cupy-cuda12x",
    "llvmlite": "numba",
    "sklearn": "scikit-learn",
}


PATHS = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PATHS
}


@cache
def syntax_tree(name):
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


@cache
def imported_names(name):
    """Dotted names that a module imports anywhere; `from a import b` gives `a.b`."""
    names = []
    for node in ast.walk(syntax_tree(name)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def part_of(name):
    """The part of the house that a dotted name belongs to."""
    words = name.split(".")
    return ".".join(words[:2]) if ".".join(words[:2]) in MAY_IMPORT else words[0]


def test_modules_import_only_what_lies_below_them():
    for name in MODULES:
        allowed = {part_of(name), *MAY_IMPORT[part_of(name)]}
        inside = [
            imported for imported in imported_names(name) if imported.split(".")[0] in PACKAGES
        ]
        wrong = [imported for imported in inside if part_of(imported) not in allowed]
        assert not wrong, f"{name} must not import {wrong}"


def test_networks_import_only_what_lies_on_lower_floors():
    floors = {
        f"engine.network.{room}": floor
        for floor, rooms in enumerate(NETWORK_FLOORS)
        for room in rooms.split()
    }
    for name in MODULES:
        home = ".".join(name.split(".")[:3])
        if part_of(name) != "engine.network" or name == "engine.network":
            continue
        rooms = {
            ".".join(imported.split(".")[:3]) for imported in imported_names(name)
        } & floors.keys()
        wrong = {imported for imported in rooms - {home} if floors[imported] >= floors[home]}
        assert not wrong, f"{name} must not import {wrong}"


@pytest.mark.parametrize("library", ONLY_IMPORTERS)
def test_few_modules_alone_import(library):
    importers = {
        name
        for name in MODULES
        if any(f"{imported}.".startswith(f"{library}.") for imported in imported_names(name))
    }
    assert importers <= ONLY_IMPORTERS[library]


def test_learning_library_knows_no_chess():
    library = [name for name in MODULES if part_of(name) == "engine.nn"]
    assert library
    for name in library:
        assert "chess" not in [imported.split(".")[0] for imported in imported_names(name)], name


def test_every_imported_distribution_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *itertools.chain(*project["optional-dependencies"].values()),
    ]
    declared = {re.split(r"[\[<>=!~; ]", text)[0].lower() for text in requirements}
    imported = {target.split(".")[0] for name in MODULES for target in imported_names(name)}
    outside = imported - sys.stdlib_module_names - set(PACKAGES) - {"__future__", ""}
    assert {DISTRIBUTIONS.get(name, name) for name in outside} <= declared


def test_house_has_no_other_parts():
    unknown = [
        name for name in MODULES if "." in name and part_of(name) in ("engine", "selfplay", "uci")
    ]
    assert not unknown, f"not named in MAY_IMPORT: {unknown}"


@pytest.mark.parametrize("package", ["engine", "selfplay", "uci"])
def test_base_names_are_unique_inside_a_package(package):
    """A name in a traceback or an editor's tab means one file."""
    homes = {}
    for name in MODULES:
        home, _, base = name.rpartition(".")
        is_package = any(module.startswith(name + ".") for module in MODULES)
        if home.split(".")[0] == package and not is_package:
            homes.setdefault(base, []).append(home)
    assert not {base: places for base, places in homes.items() if len(places) > 1}


def test_no_module_imports_itself_by_a_detour():
    """Imports on demand, inside functions, count as well."""
    graph = {
        name: {_module_of(o) for o in imported_names(name)} & MODULES.keys() - {name}
        for name in MODULES
    }
    while leaves := {name for name, imports in graph.items() if not imports & graph.keys()}:
        graph = {name: imports for name, imports in graph.items() if name not in leaves}
    circle = {name: sorted(imports & graph.keys()) for name, imports in graph.items()}
    assert not circle, circle


def _module_of(dotted):
    """The module that `a.b` names, which may be something in it."""
    return dotted if dotted in MODULES else dotted.rpartition(".")[0]


def test_the_web_board_is_a_tower_of_seven_floors():
    """It had ten; an import for types alone is a floor, too."""
    rooms = {name for name in MODULES if name.startswith("uci.web.")}

    def height(name):
        below = {_module_of(imported) for imported in imported_names(name)} & rooms
        return 1 + max(map(height, below), default=0)

    assert max(map(height, rooms)) <= 7


def test_importing_everything_does_nothing_else():
    """A table of the start position had loaded kernels, or compiled them, in every process."""
    program = (
        "import importlib, sys, threading\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "def refuse(kernel, *arguments, **names): raise AssertionError(kernel.py_func.__name__)\n"
        "Dispatcher._compile_for_args = refuse\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert 'cupy' not in sys.modules\n"
    )
    names = [name for name in MODULES if not name.endswith("__main__")]
    assert output_of(program, *names, warnings="error") == ""


def test_uci_is_answered_without_numpy():
    program = (
        "import io, sys\n"
        "from uci.protocol.session import Session\n"
        "from uci.protocol.words import Writer\n"
        "out = io.StringIO()\n"
        "Session(Writer(out)).run(['uci'])\n"
        "assert 'uciok' in out.getvalue()\n"
        "heavy = {'numpy', 'numba', 'chess', 'jinja2', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    output_of(program)


def test_a_go_is_understood_without_the_compiler():
    """Without it there is still a legal move to send."""
    output_of("import sys, uci.protocol.answer\nassert 'numba' not in sys.modules\n")


def test_the_default_engine_does_without_tables_book_and_learning_library():
    """A start took 7% more time."""
    search = [name for name in MODULES if part_of(name) == "engine.search"]
    program = (
        "import importlib, sys\n"
        "from engine import Engine, Limits\n"
        "with Engine() as engine:\n"
        "    engine.search(Limits(nodes=10))\n"
        "    assert engine.evaluator.name == 'sparse', engine.evaluator.name\n"
        "needless = {'chess.syzygy', 'chess.polyglot', 'engine.search.book', 'engine.evaluation.material', "
        "'engine.evaluation.hybrid'} & set(sys.modules)\n"
        "assert not needless, needless\n"
        f"for name in {search}: importlib.import_module(name)\n"
        "learning = [name for name in sys.modules if name.startswith('engine.nn')]\n"
        "assert not learning, learning\n"
    )
    output_of(program)


def test_a_sparse_network_says_which_import_it_needs():
    output_of(
        "from engine.errors import NetFileError\n"
        "from engine.nn import dit\n"
        "from engine.network.weights import default_net_path\n"
        "try:\n    dit.load(default_net_path())\n"
        "except NetFileError as error:\n"
        "    assert 'such as engine.network.sparse.sparse_model for' in str(error), error\n"
        "import engine.network.sparse.sparse_model\n"
        "dit.load(default_net_path())\n"
    )
