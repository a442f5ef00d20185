"""Distillation: teachers' logits of each view are computed once, and students learn them."""

import io
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.errors import BadArgument, DataError
from edge_runtime.inference.classifier import Classifier
from tests.commands import digits, one_line
from train.backend import keras
from train.config.training_config import Augmentation, Distillation, TrainingConfig
from train.data import Dataset
from train.distillation import views
from train.distillation.teachers import committed_teachers, find_teachers
from train.distillation.views import teacher_logits, views_needed
from train.loop.input_pipeline import training_split, view_of
from train.loop.trainer import fit, train_run
from train.model.architectures import predict_logits

AUGMENTATION = Augmentation(shift=1)


@pytest.fixture(scope="module")
def contrary(invented: Dataset) -> Dataset:
    """The invented digits with labels shifted by one, so that teachers differ from the true labels."""
    return replace(invented, y_train=(invented.y_train + 1) % 10, y_test=(invented.y_test + 1) % 10)


@pytest.fixture(scope="module")
def teachers(contrary: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two model files of a network trained on the shifted labels."""
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.recipes import find_recipe
    from convert.settings import ConversionSettings

    folder = tmp_path_factory.mktemp("teachers")
    train_run(TrainingConfig("mlp", (32,), epochs=4, batch_size=16), contrary, folder / "contrary", quiet=True)
    recipes = [find_recipe("fp32"), find_recipe("int8")]
    export(folder / "contrary" / "model.keras", contrary, recipes, folder, settings=ConversionSettings(Limits(100)))
    return folder


@pytest.fixture(scope="module")
def config(teachers: Path) -> TrainingConfig:
    """Six epochs with two views and both teachers."""
    hashes = tuple(committed_teachers(teachers))
    return TrainingConfig(
        "linear", epochs=6, batch_size=16, augmentation=AUGMENTATION, distillation=Distillation(hashes, 2, 2.0, 1.0)
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def logits(config: TrainingConfig, invented: Dataset, teachers: Path, cache: Path) -> NDArray[np.float16]:
    """Computed logits, cached in `cache`."""
    return teacher_logits(config, invented, folder=teachers, cache=cache)


def test_logits_are_the_mean_over_teachers_of_each_view(
    config: TrainingConfig, invented: Dataset, teachers: Path, logits: NDArray[np.float16]
) -> None:
    """They are the means of the teachers' outputs for exactly these pixels, in half precision."""
    assert (logits.dtype, logits.shape) == (np.float16, (2, 550, 10))
    for view in range(2):
        images = view_of(invented.train.images, AUGMENTATION, view)
        answers = [Classifier.load(path).classify_batch(images).logits for path in sorted(teachers.glob("*.tflite"))]
        assert len(answers) == 2
        assert (answers[0] != answers[1]).any()
        np.testing.assert_allclose(logits[view], np.mean(answers, axis=0), rtol=2e-3, atol=2e-3)


def test_the_second_time_nothing_is_judged(
    monkeypatch: pytest.MonkeyPatch,
    config: TrainingConfig,
    invented: Dataset,
    teachers: Path,
    cache: Path,
    logits: NDArray[np.float16],
) -> None:
    """Students of other seeds or sizes reuse the cache; progress still counts each view."""
    monkeypatch.setattr(views, "view_of", lambda *_: pytest.fail("this is in the cache"))
    told: list[int] = []
    other = replace(config, seed=8, model="mlp")
    found = teacher_logits(other, invented, folder=teachers, cache=cache, done=lambda: told.append(1))
    np.testing.assert_array_equal(found, logits)
    assert len(told) == views_needed(config) == 2


def test_images_that_nothing_moves_are_judged_once(
    monkeypatch: pytest.MonkeyPatch, config: TrainingConfig, invented: Dataset, teachers: Path, tmp_path: Path
) -> None:
    """Without augmentation all views are the images themselves."""
    judged: list[int] = []
    monkeypatch.setattr(views, "view_of", lambda images, _augmentation, view: judged.append(view) or images)
    found = teacher_logits(replace(config, augmentation=None), invented, folder=teachers, cache=tmp_path)
    assert (judged, len(found)) == ([0], 2)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda config: replace(config, augmentation=Augmentation(shift=2)),
        lambda config: replace(config, augmentation=None),
        lambda config: replace(config, distillation=replace(config.distillation, teachers=config.distillation.teachers[:1])),
    ],
    ids=["augmentation", "none", "teachers"],
)
def test_other_views_or_teachers_are_judged_anew(
    config: TrainingConfig, invented: Dataset, teachers: Path, cache: Path, logits: NDArray[np.float16], change: Callable[..., Any]
) -> None:
    """Other images or other teachers do not use the cached logits."""
    found = teacher_logits(change(config), invented, folder=teachers, cache=cache)
    assert (found != logits).any()


def _npz(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, array)
    return stream.getvalue()


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"garbage",
        lambda content: content[: len(content) // 2],
        lambda content: b"PK\x03\x04garbage",
        lambda content: content.replace(b"'shape': (", b"'shape': ((", 1),
        lambda content: content.replace(b"(550, 10)", b"(55" + b"0" * 30 + b", 10)", 1),
        lambda _: _npz(np.zeros((550, 10), np.float16)),
        lambda _: _npy(np.zeros((550, 9), np.float16)),
        lambda _: _npy(np.zeros((550, 10), np.float32)),
        lambda _: _npy(np.array([None])),
    ],
)
def test_what_is_damaged_in_the_cache_is_computed_again(
    config: TrainingConfig,
    invented: Dataset,
    teachers: Path,
    cache: Path,
    logits: NDArray[np.float16],
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    """A damaged cache file is computed and written again."""
    copy = shutil.copytree(cache, tmp_path / "cache")
    shelves = {path: path.read_bytes() for path in copy.rglob("0001.npy")}
    for path, content in shelves.items():
        path.write_bytes(damage(content))
        assert path.read_bytes() != content
    np.testing.assert_array_equal(teacher_logits(config, invented, folder=teachers, cache=copy), logits)
    mended = [path for path, content in shelves.items() if path.read_bytes() == content]
    assert len(mended) == 1


def test_a_missing_teacher_is_named(config: TrainingConfig, invented: Dataset, teachers: Path, tmp_path: Path) -> None:
    """The error names the hash and the folder, also for an empty folder."""
    unknown = replace(config, distillation=Distillation(("ab" * 32,)))
    with pytest.raises(
        DataError, match=rf"^no teacher with sha256 abababababababab\.\.\. among 2 model files in {teachers}; add its file$"
    ):
        teacher_logits(unknown, invented, folder=teachers, cache=tmp_path)
    with pytest.raises(DataError, match=rf"^no teachers .* in {tmp_path}"):
        teacher_logits(config, invented, folder=tmp_path, cache=tmp_path)


def test_a_teacher_of_other_classes_is_refused(config: TrainingConfig, invented: Dataset, teachers: Path, tmp_path: Path) -> None:
    """Before anything is computed."""
    three = Dataset("three", invented.x_train, invented.y_train % 3, invented.x_test, invented.y_test % 3)
    with pytest.raises(
        BadArgument, match=r"^teacher contrary-fp32\.tflite has 10 classes, the data 3; choose other teachers or data$"
    ):
        teacher_logits(config, three, folder=teachers, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_logits_and_distillation_belong_together(config: TrainingConfig, invented: Dataset, logits: NDArray[np.float16]) -> None:
    """Otherwise a record could name teachers that were not used."""
    for wrong, said in ((config, None), (replace(config, distillation=None), logits)):
        with pytest.raises(
            BadArgument, match=r"^teachers' logits and a config with distillation need each other; give both or neither$"
        ):
            fit(wrong, invented, teacher_logits=said)


def _agreement(model: keras.Model, data: Dataset, teachers: Path) -> float:
    """Fraction of test images with the same prediction of student and teacher."""
    said = Classifier.load(teachers / "contrary-fp32.tflite").classify_batch(data.x_test).indices
    return float(np.mean(predict_logits(model, data.x_test).argmax(axis=1) == said))


@pytest.mark.slow
def test_a_taught_student_says_what_its_teachers_say(
    monkeypatch: pytest.MonkeyPatch, config: TrainingConfig, invented: Dataset, data_file: Path, teachers: Path, tmp_path: Path
) -> None:
    """Trained by the command with a config file; with teachers' weight 0 the same student learns the true labels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(teacher_logits.__kwdefaults__, "folder", teachers)
    monkeypatch.setattr("train.cli.find_teachers", partial(find_teachers, folder=teachers))
    assert config.distillation is not None
    agreement = {}
    for weight in (1.0, 0.0):
        path = tmp_path / f"weight{weight:.0f}.toml"
        path.write_text(
            f'model = "mlp"\nhidden = [32]\nepochs = 6\nbatch_size = 16\naugmentation = {{ shift = 1 }}\n'
            f"[distillation]\nteachers = {list(config.distillation.teachers)}\nviews = 2\ntemperature = 2\nweight = {weight}\n"
        )
        assert tomllib.loads(path.read_text())["distillation"]["weight"] == weight
        answer = digits("train", "--config", path, "--data", data_file, "--runs", tmp_path)
        assert answer.code == 0
        model = keras.saving.load_model(tmp_path / path.stem / "model.keras")
        agreement[weight] = _agreement(model, invented, teachers)
    assert agreement[1.0] > 0.6
    assert agreement[0.0] < 0.2


def test_a_config_with_an_unknown_teacher_exits_4(data_file: Path, tmp_path: Path) -> None:
    """One line, and nothing is trained."""
    path = tmp_path / "taught.toml"
    path.write_text('model = "linear"\n[distillation]\nteachers = ["f00"]\n')
    message = one_line(digits("train", "--config", path, "--data", data_file, "--runs", tmp_path / "runs"), 4)
    assert message.startswith("digits: no teacher")
    assert not (tmp_path / "runs").exists()


def test_drawn_digits_are_taught_by_their_labels(config: TrainingConfig, invented: Dataset, teachers: Path, cache: Path) -> None:
    """Teachers may not know their forms: their logits are those of the label in every view, and other images' are the teachers'."""
    found = teacher_logits(replace(config, strokes=7), invented, folder=teachers, cache=cache)
    count = len(invented.train)
    assert found.shape == (2, count + 7, 10)
    drawn = found[:, count:]
    labels = training_split(replace(config, strokes=7), invented).labels[count:]
    assert np.all(drawn.argmax(axis=2) == labels)
    assert np.all(np.sort(drawn, axis=2)[:, :, :-1] == 0)
    classifiers = [Classifier.load(path, in_process=True) for path in committed_teachers(teachers).values()]
    views = view_of(training_split(replace(config, strokes=7), invented).images, config.augmentation, 1)[:count]
    answers = np.mean([classifier.classify_batch(views).logits for classifier in classifiers], axis=0)
    np.testing.assert_array_equal(found[1, :count], answers.astype(np.float16))
