"""What CuPy has: functions, methods and their parameters, for the stand-in of `strict_cupy`.

    python -m tests.cupy_table

adds the CuPy that is installed to `cupy_table.json`, in place of another one of its major version. CuPy imports without
a GPU. The stand-in allows what all versions in the file have.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).with_suffix(".json")
MODULES = {"": np, "linalg": np.linalg, "lib.stride_tricks": np.lib.stride_tricks}


def parameters(function: Any) -> str:
    """The names of a function's parameters, as in "a, axis, *, out"; built-in ones tell them in their docstring."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        found = re.match(r"[\w.]*\((.*)\)", (function.__doc__ or "").partition("\n")[0])
        given = re.split(r",\s*(?![^(]*\))", found[1]) if found else ["*anything", "**anything"]
        names = [re.split(r"[=:]", text)[0].strip().split(" ")[-1] for text in given]
        return ", ".join(name for name in names if name not in ("", "self"))
    names, is_by_name = [], False
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not is_by_name:
            names.append("*")
        is_by_name = is_by_name or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        names.append(stars + one.name)
    return ", ".join(name for name in names if name != "self")


def public(place: Any, like: Any, further: tuple[str, ...] = ()) -> dict[str, Any]:
    """The public names of a module or class that NumPy's has, too."""
    names = [name for name in dir(place) if not name.startswith("_") and (hasattr(like, name) or name in further)]
    return {name: getattr(place, name) for name in names}


def table(cupy: Any) -> dict[str, Any]:
    """What a CuPy module has: {"functions": {"linalg.norm": parameters}, "ufuncs": {name: types}, ...}."""
    functions, ufuncs, constants = {}, {}, []
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
        "functions": functions,
        "ufuncs": ufuncs,
        "methods": methods,
        "attributes": attributes,
        "constants": constants,
    }


def main() -> None:
    cupy = importlib.import_module("cupy")
    kept = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    major = cupy.__version__.partition(".")[0]
    kept = {version: one for version, one in kept.items() if version.partition(".")[0] != major}
    kept[cupy.__version__] = table(cupy)
    TABLE.write_text(json.dumps(dict(sorted(kept.items())), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{TABLE.name} has CuPy {', '.join(sorted(kept))}")


if __name__ == "__main__":
    main()
