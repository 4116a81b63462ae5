"""Sparse networks train on a device as on the processor: policy, value trunk, and one after the
other.
"""

from contextlib import closing

import numpy as np
import pytest

from engine.backend import to_numpy
from engine.nn import dit
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint
from selfplay.data.label_rows import LabelRows
from selfplay.data.split import Split
from selfplay.families.by_name import PARTS, family_of
from selfplay.records.label_folder import LabelFolder
from selfplay.training.recipe import LearnerSettings
from tests.selfplay.teachers.nets import material_labels
from tests.selfplay.training.learners import learner_of

NET = "sparse-128+v128"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("drawn") / "labels"
    material_labels(path, 300)
    return path


@pytest.fixture(params=PARTS)
def data(request, folder, positions):
    values = LabelRows("labels", np.array(LabelFolder(folder).values), Split(0))
    return values if request.param == "value" else positions


def learner_on(backend, data):
    """Takes batches of eight, some positions of which are variations."""
    family = family_of(NET, "value" if isinstance(data, LabelRows) else "policy")
    settings = LearnerSettings(8, weight_decay=0.5, variations=0.3, threads=1)
    return learner_of(family, data, settings, 1e-3, backend)


@pytest.fixture
def learners(data, device):
    """One on the device, and one on the processor."""
    with closing(learner_on("cupy", data)) as there, closing(learner_on("numpy", data)) as here:
        yield there, here


def assert_near(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        error = np.linalg.norm(to_numpy(found[name]) - array) / max(
            float(np.linalg.norm(array)), 1e-30
        )
        assert error < 1e-5, f"{name}: relative error {error:.1e}"


def test_eight_steps_on_a_device_end_with_the_processors_weights(learners, device):
    there, here = learners
    for _ in range(8):
        device.counts.clear()
        assert there.step().value == pytest.approx(here.step().value, rel=1e-4)
    assert device.total("wait") == 1
    assert device.total("launch") + device.total("product") < 240
    assert_near(there.state()[0], here.state()[0])


def test_positions_without_result_or_length_have_the_processors_gradients(learners):
    batch = learners[1].batches.batch(8)
    batch.wdl[1], batch.moves_left[2] = 0, -1
    (_, metrics, grads), expected = (one._source.gradients(batch, (0, 16)) for one in learners)
    found = {name: float(number) for name, number in metrics.items()}
    assert found == pytest.approx(expected.metrics, rel=1e-5)
    assert_near(grads, expected.grads)


def test_an_averaged_network_leaves_the_device_as_a_file(data, device, tmp_path):
    with closing(learner_on("cupy", data)) as learner:
        learner.step()
        averaged = learner.averaged_model()
        dit.save(tmp_path / "net.dit", averaged)
        loaded, header = dit.load(tmp_path / "net.dit")
        assert header["provenance"]["backend"] == "cupy"
        sample = learner.family.heldout(data, 50)
        assert sample.evaluate(averaged) == sample.evaluate(loaded)


def test_a_checkpoint_of_either_backend_goes_on_with_the_other(data, device, tmp_path):
    path = tmp_path / "checkpoint.npz"
    with closing(learner_on("numpy", data)) as whole:
        for _ in range(6):
            whole.step()
        for backend in ("cupy", "numpy", "cupy"):
            with closing(learner_on(backend, data)) as learner:
                if path.exists():
                    learner.restore(*read_checkpoint(path))
                for _ in range(2):
                    learner.step()
                write_checkpoint(path, *learner.state())
        assert_near(read_checkpoint(path)[0], whole.state()[0])
