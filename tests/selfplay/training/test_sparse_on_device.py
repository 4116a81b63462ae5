"""Sparse networks train on a device as on the processor: policy, value trunk, and one after the other."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backend import get_backend, to_numpy
from engine.cli.command_line import FAILED
from engine.errors import DeviceError
from engine.network.value.parameters import VALUE_TRUNK
from engine.nn import dit
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint
from selfplay.data.label_rows import LabelRows
from selfplay.data.split import Split
from selfplay.families.by_name import PARTS, family_of
from selfplay.records.label_folder import LabelFolder
from selfplay.records.positions import PositionSet
from selfplay.training.learner import Learner
from selfplay.training.recipe import LearnerSettings
from selfplay.training.source_files import TrainingData
from tests.selfplay.teachers.nets import material_labels
from tests.strict_cupy import CUDARuntimeError, Device

NET = "sparse-128+v128"
FAILURES = (0.0, 0.3, 0.6, 0.98)  # of the calls that work before one fails
Made = Callable[..., Learner]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "labels"
    material_labels(path, 300)
    return path


@pytest.fixture(params=PARTS)
def learner_on(request, folder: Path, positions: PositionSet) -> Made:
    """Makes a learner of a part on a backend, which takes batches of eight, some of them of variations."""
    data: Any = (
        LabelRows("labels", np.array(LabelFolder(folder).values), Split(0)) if request.param == "value" else positions
    )

    def made(backend: str) -> Learner:
        family = family_of(NET, request.param)
        settings = LearnerSettings(8, weight_decay=0.5, variations=0.3, threads=1)
        batches = family.batches(TrainingData((data,), (1.0,), data), settings, seed=7)
        return Learner(family, family.build(np.random.default_rng(1)), batches, settings, 1e-3, backend)

    made.part, made.data = request.param, data  # type: ignore[attr-defined]
    return made


def state_of(learner: Learner) -> dict[str, np.ndarray]:
    return {name: to_numpy(array).copy() for name, array in learner.state()[0].items()}


def assert_near(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        error = np.linalg.norm(found[name] - array) / max(float(np.linalg.norm(array)), 1e-30)
        assert error < 1e-5, f"{name}: relative error {error:.1e}"


def test_gradients_of_a_batch_are_the_processors(learner_on: Made, device: Device) -> None:
    with closing(learner_on("cupy")) as there, closing(learner_on("numpy")) as here:
        for learner in (there, here):
            learner.step()  # with Adam's steps, all parameters matter
        batch = here.batches.batch(1)
        if learner_on.part == "policy":  # type: ignore[attr-defined]
            batch.n_moves[0], batch.wdl[1] = 0, 0
        found, expected = (one._source.gradients(batch, (0, 16)) for one in (there, here))
        assert {name: float(value) for name, value in found.metrics.items()} == pytest.approx(
            expected.metrics, rel=1e-5
        )
        assert float(found.loss) == pytest.approx(expected.loss, rel=1e-5)
        assert_near({name: to_numpy(array) for name, array in found.grads.items()}, dict(expected.grads))


def test_steps_averages_and_scores_are_the_processors(learner_on: Made, device: Device, tmp_path: Path) -> None:
    with closing(learner_on("cupy")) as there, closing(learner_on("numpy")) as here:
        for number in range(8):
            found, expected = there.step(), here.step()
            assert found.value == pytest.approx(expected.value, rel=1e-4)
            if number == 5:
                device.counts.clear()
        assert device.total("wait") == 2  # one a step
        assert device.total("launch") + device.total("product") < 2 * 250
        assert_near(state_of(there), state_of(here))
        dit.save(tmp_path / "net.dit", there.averaged_model())
        loaded, header = dit.load(tmp_path / "net.dit")
        assert header["provenance"]["backend"] == "cupy"
        assert_near(loaded.named_parameters(), here.averaged_model().named_parameters())
        sample = there.family.heldout(learner_on.data, 50)  # type: ignore[attr-defined]
        assert sample.evaluate(there.averaged_model()).value == pytest.approx(sample.evaluate(loaded).value, rel=1e-5)


def test_a_checkpoint_goes_on_with_numpy_and_back(learner_on: Made, device: Device, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    with closing(learner_on("numpy")) as whole:
        for _ in range(6):
            whole.step()
        for backend in ("cupy", "numpy", "cupy"):
            with closing(learner_on(backend)) as learner:
                if path.exists():
                    learner.restore(*read_checkpoint(path))
                for _ in range(2):
                    learner.step()
                write_checkpoint(path, *learner.state())
        assert_near(read_checkpoint(path)[0], state_of(whole))


def test_a_device_that_fails_at_any_call_is_one_error(learner_on: Made, device: Device, tmp_path: Path) -> None:
    def train() -> None:
        with closing(learner_on("cupy")) as learner:
            learner.step()
            write_checkpoint(tmp_path / "checkpoint.npz", *learner.state())
            learner.restore(*read_checkpoint(tmp_path / "checkpoint.npz"))
            averaged = learner.averaged_model()
            learner.family.heldout(learner_on.data, 20).evaluate(averaged)  # type: ignore[attr-defined]
            dit.save(tmp_path / "net.dit", averaged)

    get_backend("cupy")
    device.counts.clear()
    train()
    for kind, total in {kind: device.total(kind) for kind in ("launch", "upload", "download")}.items():
        for share in FAILURES:
            device.fail(kind, CUDARuntimeError("cudaErrorUnknown"), after=int(share * total))
            with pytest.raises(DeviceError, match="cudaErrorUnknown"):
                train()
            device.heal()


def test_pretrain_trains_both_parts_on_a_device(aino_train, games_file, folder, tmp_path, device):
    common, value = ["--batch", 8, "--backend", "cupy", "--net", NET], tmp_path / "value.dit"
    trunk = [*common, "--positions", 16, "--part", "value", "--data", folder, "--run", tmp_path / "b"]
    aino_train("pretrain", *trunk, "--out", value)
    words = [*common, "--start-from", value, "--data", games_file, "--heldout-share", 0.2, "--run", tmp_path / "c"]
    aino_train("pretrain", *words, "--positions", 16, "--out", tmp_path / "both.dit")
    second, third = (dit.load(path)[0].named_parameters() for path in (value, tmp_path / "both.dit"))
    for name, array in second.items():
        assert np.array_equal(array, third[name]) == name.startswith(VALUE_TRUNK), name
    device.fail("launch", CUDARuntimeError("cudaErrorLaunchFailure"))
    assert "cudaErrorLaunchFailure" in aino_train("pretrain", *words, "--positions", 32, "--out", value, status=FAILED)
