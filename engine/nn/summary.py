"""A model as a table: its layers in order, the shapes of their parameters and, for an example, of
their outputs.
"""

from collections.abc import Sequence
from typing import Any

from engine.nn.module import dotted

OUTPUT = 2  # its column in the table


def summary_table(model: Any, x: Any = None) -> str:
    """Return the table of `model`, a Layer; with an example batch `x` also the shape of every
    layer's output.

    The columns are the dotted name, the layer, its output, the shapes of its parameters and how
    many numbers they hold. Running statistics and other buffers are not counted.
    """
    outputs: dict[str, Any] = {}
    if x is not None:
        outputs = activations(model, x)
    rows = [["name", "layer", "output", "parameters", "numbers"]]
    for path, layer in model.walk():
        if not layer.params and layer.children():
            continue
        output = "not used"
        if path in outputs:
            output = str(list(outputs[path].shape))
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in layer.params.items())
        rows.append([path, layer_text(layer), output, shapes, f"{_count(layer.params):,}"])
    if x is None:
        for row in rows:
            del row[OUTPUT]
    parameters = model.named_parameters()
    size = sum(array.nbytes for array in parameters.values())
    dtypes = ", ".join(sorted({str(array.dtype) for array in parameters.values()})) or "none"
    total = f"{type(model).__name__}: {_count(parameters):,} parameters ({dtypes}, {size / 1024:,.1f} KiB)"
    return f"{aligned_columns(rows, len(rows[0]) - 1)}\n{total}"


def layer_text(layer: Any) -> str:
    """Return a layer as it would be built: its class, its settings and its parts, without the
    random generator.
    """
    settings: dict[str, Any] = {}
    if hasattr(layer, "kind"):  # else a layer of one's own without a configuration
        settings = layer.config()
    children = layer.children()
    arguments = []
    for name, value in settings.items():
        is_part = children and isinstance(value, dict)
        if name != "layer" and not is_part:
            arguments.append(f"{name}={value!r}")
    for name, child in children.items():
        arguments.append(f"{name}={layer_text(child)}")
    return f"{type(layer).__name__}({', '.join(arguments)})"


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
    twin = layer.with_children(
        {name: _traced(part, dotted(path, name), outputs) for name, part in children.items()}
    )
    if layer.params or not children:
        plain_forward = twin.forward

        def forward(*arguments, **options):
            y, backward = plain_forward(*arguments, **options)
            outputs[path] = y
            if isinstance(y, tuple):  # with the state of a recurrent layer
                outputs[path] = y[0]
            return y, backward

        vars(twin)["forward"] = forward
    return twin


def aligned_columns(rows: Sequence[Sequence[str]], flush_left: int = 0) -> str:
    """Return rows as lines of columns: the first ones flush left, the others flush right."""
    columns = []
    for number, cells in enumerate(zip(*rows, strict=True)):
        justify = str.rjust
        if number < flush_left:
            justify = str.ljust
        width = max(map(len, cells))
        columns.append([justify(cell, width) for cell in cells])
    return "\n".join(map("  ".join, zip(*columns, strict=True)))
