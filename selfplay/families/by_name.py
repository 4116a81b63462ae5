"""The network families by name, which decides how a network is trained and scored."""

from pathlib import Path

from engine.errors import ConfigError, NetFileError
from engine.files.dit_file import load_tensors
from engine.network.families import planes_config_named, planes_config_of
from engine.network.input_formats import CLASSICAL
from engine.network.people.people_model import PeopleNetwork
from engine.network.people.people_parameters import PeopleConfig
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig, sparse_config_of
from engine.nn import dit
from engine.nn.layer import Layer
from selfplay.families.people.people_family import PeopleFamily
from selfplay.families.planes.custom import CUSTOM, CustomFamily, is_custom
from selfplay.families.planes.planes_family import PlanesFamily
from selfplay.families.policy.sparse_family import SparseFamily
from selfplay.families.value.value_family import ValueFamily
from selfplay.training.family import Family

PARTS = ("policy", "value")  # what to train of a network with a value trunk


def net_of_model(model: Layer) -> str:
    """Return a loaded network's family and size, such as 64x6 or transformer-128x4x8.

    Raises ConfigError for others, and for input planes that no training data come in.
    """
    if isinstance(model, SparseNetwork):
        return str(sparse_config_of(model.config()))
    if isinstance(model, PeopleNetwork):
        return str(model.network_config)
    config = planes_config_of(model.config())
    if config.input_format != CLASSICAL:
        expected = f"input format {CLASSICAL}, of which training data are"
        raise ConfigError(
            f"a network to train needs {expected}, not {config.input_format}: {config.describe()}"
        )
    return str(config)


def family_of(net: str, part: str = "policy") -> Family:
    """Return the family and size that a name such as 64x6, transformer-128x4x8 or sparse-768 means,
    or the family of a class at package.module:Class.

    part: "value" for the value trunk of a network such as sparse-768+v256, "policy" for the rest of
    it; networks without a value trunk are trained as a whole. Raises ConfigError for another form.
    """
    if part not in PARTS:
        raise ConfigError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    if is_custom(net):
        return CustomFamily(net)
    if net.startswith("sparse"):
        config = SparseConfig.parse(net)
        if part == "value":
            return ValueFamily(config)
        return SparseFamily(config)
    if part == "value":
        raise ConfigError(f"{net} has no value trunk: expected a network such as sparse-768+v256")
    if net.startswith("people") and "x" not in net:
        return PeopleFamily(PeopleConfig.parse(net))
    if not net.startswith(("transformer", "people")) and not net[:1].isdigit():
        names = "64x6, transformer-128x4x8, sparse-768, people-512, people-64x6 or module:Class, a class of yours"
        raise ConfigError(f"net: expected a name such as {names}, got {net!r}")
    return PlanesFamily(planes_config_named(net))


def net_of_file(path: Path, expected: str | None) -> str:
    """Return the name of the network in a file, which must be the `expected` one if there is one.

    A file with weights of somebody's own class does not name the class: `expected` must. Raises
    ConfigError.
    """
    if expected is not None and is_custom(expected):
        return expected
    try:
        net = net_of_model(dit.load(path)[0])
    except NetFileError:
        if load_tensors(path)[0]["model"].get("layer") != CUSTOM:
            raise
        advice = "name it with --net package.module:Class"
        raise ConfigError(
            f"--initial: {path} holds the weights of a class of your own: {advice}"
        ) from None
    if expected not in (None, net):
        raise ConfigError(f"--initial: {path} is a network {net}, but net is {expected!r}")
    return net
