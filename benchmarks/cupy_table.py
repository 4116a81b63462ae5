"""What CuPy has: functions, methods and their parameters, for the stand-in `tests/strict_cupy.py`.

    python -m benchmarks.cupy_table

writes what the CuPy that is installed has to `tests/cupy_table.json`. CuPy imports without a GPU.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).parents[1] / "tests" / "cupy_table.json"
MODULES = {"": np, "linalg": np.linalg, "lib.stride_tricks": np.lib.stride_tricks}


def parameters(function: Any) -> str:
    """Return the names of a function's parameters, as in "a, axis, *, out"; built-in ones document
    them.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        found = re.match(r"[\w.]*\((.*)\)", (function.__doc__ or "").partition("\n")[0])
        given = re.split(r",\s*(?![^(]*\))", found[1]) if found else ["*anything", "**anything"]
        names = [re.split(r"[=:]", text)[0].strip().split(" ")[-1] for text in given]
        return ", ".join(name for name in names if name not in ("", "self"))
    names = []
    is_by_name = False
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not is_by_name:
            names.append("*")
        is_by_name = is_by_name or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        stars = "*" * ((one.kind is one.VAR_POSITIONAL) + 2 * (one.kind is one.VAR_KEYWORD))
        names.append(stars + one.name)
    return ", ".join(name for name in names if name != "self")


def public(place: Any, like: Any, further: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the public names of a module or class that NumPy's has, too."""
    names = [
        name
        for name in dir(place)
        if not name.startswith("_") and (hasattr(like, name) or name in further)
    ]
    return {name: getattr(place, name) for name in names}


def table(cupy: Any) -> dict[str, Any]:
    """Return what a CuPy module has: {"version": "14.2.0", "functions": {"linalg.norm":
    parameters}, ...}.
    """
    functions = {}
    ufuncs = {}
    constants = []
    for path, like in MODULES.items():
        module = importlib.import_module(".".join(filter(None, (cupy.__name__, path))))
        for name, value in public(module, like).items():
            if isinstance(value, cupy.ufunc):
                ufuncs[name] = " ".join(value.types)
            elif isinstance(value, type | float | None):
                constants.append(name)
            elif callable(value):
                functions[f"{path}.{name}".lstrip(".")] = parameters(value)
    members = public(cupy.ndarray, np.ndarray, ("get", "set"))
    methods = {name: parameters(value) for name, value in members.items() if callable(value)}
    attributes = [name for name, value in members.items() if not callable(value)]
    return {
        "version": cupy.__version__,
        "functions": functions,
        "ufuncs": ufuncs,
        "methods": methods,
        "attributes": attributes,
        "constants": constants,
    }


def main() -> None:
    cupy = importlib.import_module("cupy")
    TABLE.write_text(json.dumps(table(cupy), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{TABLE.name} has CuPy {cupy.__version__}")


if __name__ == "__main__":
    main()
