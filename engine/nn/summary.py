"""A model as a table: its layers in order, the shapes of their parameters and, for an example, of
their outputs.
"""

from collections.abc import Iterator
from typing import Any

Rows = list[tuple[str, ...]]


def summary_table(model: Any, x: Any = None) -> str:
    """Return the table of `model`, a Layer; with an example batch `x` also the shape of every
    layer's output.

    The columns are the dotted name, the layer, its output, the shapes of its parameters and how
    many numbers they hold. Running statistics and other buffers are not counted.
    """
    outputs = (
        None if x is None else {path: list(y.shape) for path, y in activations(model, x).items()}
    )
    titles = ("name", "layer", *(() if outputs is None else ("output",)), "parameters", "numbers")
    rows = [titles]
    for path, layer in model.walk():
        if not layer.params and layer.children():
            continue
        shown = () if outputs is None else (str(outputs.get(path, "not used")),)
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in layer.params.items())
        rows.append((path, layer_text(layer), *shown, shapes, f"{_count(layer.params):,}"))
    parameters = model.named_parameters()
    size = sum(array.nbytes for array in parameters.values())
    dtypes = ", ".join(sorted({str(array.dtype) for array in parameters.values()})) or "none"
    total = f"{type(model).__name__}: {_count(parameters):,} parameters ({dtypes}, {size / 1024:,.1f} KiB)"
    return "\n".join([*_aligned(rows), total])


def layer_text(layer: Any) -> str:
    """Return a layer as it would be built: its class, its settings and its parts, without the
    random generator.
    """
    # A layer of one's own may have no kind, and then no configuration.
    settings = (
        {key: value for key, value in layer.config().items() if key != "layer"}
        if hasattr(layer, "kind")
        else {}
    )
    parts = [f"{name}={layer_text(child)}" for name, child in layer.children().items()]
    plain = [
        f"{key}={value!r}"
        for key, value in settings.items()
        if not parts or not isinstance(value, dict)
    ]
    return f"{type(layer).__name__}({', '.join(plain + parts)})"


def _count(arrays: dict[str, Any]) -> int:
    return sum(array.size for array in arrays.values())


def activations(model: Any, x: Any) -> dict[str, Any]:
    """Run the model on `x` as inference; return the outputs of all layers of the table by dotted
    name, in order.
    """
    outputs: dict[str, Any] = {}
    _traced(model, "", outputs)(x)
    return outputs


def _traced(layer: Any, path: str, outputs: dict[str, Any]) -> Any:
    """Return a copy of the layer, sharing its arrays, whose parts note their outputs."""
    children = layer.children()
    start = f"{path}." if path else ""
    twin = layer.with_children(
        {name: _traced(part, start + name, outputs) for name, part in children.items()}
    )
    if layer.params or not children:
        plain_forward = twin.forward

        def forward(*arguments, **options):
            y, backward = plain_forward(*arguments, **options)
            # Without the state of a recurrent layer.
            outputs[path] = y[0] if isinstance(y, tuple) else y
            return y, backward

        vars(twin)["forward"] = forward
    return twin


def _aligned(rows: Rows) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        *texts, number = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([*texts, row[-1].rjust(len(number))])
