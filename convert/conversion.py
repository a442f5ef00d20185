"""One conversion: a Keras model to one recipe's self-describing file, proven against the float model on real images."""

import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.converter import to_flatbuffer
from convert.gate import compare, judge
from convert.packaging import choose_golden, make_manifest, package
from convert.recipes import Recipe
from edge_runtime.classifier import Classifications, Classifier
from edge_runtime.errors import BadArgument, InputError, ModelFileError
from edge_runtime.graph import FILE_IDENTIFIER
from edge_runtime.manifest import Manifest, Origin
from edge_runtime.model_file import ModelFile, is_model_text, parse_model_file
from edge_runtime.pixels import SIDE
from edge_runtime.version import __version__
from train.backend import keras
from train.data import Dataset, Split, calibration_indices
from train.models import predict_logits
from train.runs import RECORD, TrainingRecord, read_record

DEFAULT_MAX_DROP = 0.5
_THREADS = 2


@dataclass(frozen=True)
class Source:
    """A Keras model to convert, what is known of it, and what it answers: float32 [N, classes] logits."""

    name: str
    file_name: str
    sha256: str
    model: keras.Model
    record: TrainingRecord | None
    data: Dataset
    validation_logits: NDArray[np.float32]
    test_logits: NDArray[np.float32]

    @property
    def calibration(self) -> tuple[int, ...]:
        """The calibration images: those that training recorded, else the data set's."""
        if self.record:
            return self.record.calibration_indices
        return tuple(calibration_indices(self.data.train.labels).tolist())


@dataclass(frozen=True)
class Conversion:
    """A converted model: the content of its file, and its manifest with all figures and the verdict."""

    recipe: Recipe
    content: bytes
    manifest: Manifest
    model: ModelFile

    @property
    def file_name(self) -> str:
        """Such as cnn-int8.tflite."""
        return self.recipe.file_name(self.manifest.name)


def load_source(path: Path, data: Dataset, name: str | None = None) -> Source:
    """Load a Keras model and ask it about the validation and test images.

    Beside it, training.json is read if it is there; it says which images to calibrate with, and on which data the model was trained.

    Raises:
        ModelFileError: no Keras model that takes 784 pixel values and gives one logit for each class of the data.
        DataError: training.json is damaged.
        InputError: the model was trained on other data.
        BadArgument: the file's name cannot be a model's.
    """
    record_path = path.with_name(RECORD)
    record = read_record(record_path) if record_path.exists() else None
    name = name or (path.resolve().parent.name if record else path.stem)
    if not is_model_text(name):
        raise BadArgument(f"{path}: its name {name!a} is not 1 to 64 printable characters; give another with --name")
    content, model = load_keras(path)
    check_contract(path, model, data)
    if record and record.data_sha256 != data.sha256:
        raise InputError(
            f"{path}: was trained on {record.data_source} (sha256 {record.data_sha256[:12]}), not on {data.source} "
            f"(sha256 {data.sha256[:12]}); give that one with --data"
        )
    validation, test = predict_logits(model, data.validation.images), predict_logits(model, data.test.images)
    _refuse_probabilities(path, validation)
    return Source(
        name=name,
        file_name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        model=model,
        record=record,
        data=data,
        validation_logits=validation,
        test_logits=test,
    )


def convert(source: Source, recipe: Recipe, max_drop: float = DEFAULT_MAX_DROP) -> Conversion:
    """Convert to one recipe and judge the result: on validation images to choose by, on test images for the verdict.

    Raises:
        DigitsError: TensorFlow's converter failed.
        InputError: the model needs operators that a light runtime does not have.
    """
    data = source.data
    flatbuffer = to_flatbuffer(source.model, recipe, data.train.images[list(source.calibration)])
    classifier = Classifier(parse_model_file(flatbuffer, source.name), threads=_THREADS, trusted=True)
    test = classifier.classify_batch(data.test.images)
    accuracy = (
        compare(*_predictions(data.validation, source.validation_logits, classifier.classify_batch(data.validation.images))),
        compare(*_predictions(data.test, source.test_logits, test)),
    )
    manifest = make_manifest(
        name=source.name,
        recipe=recipe,
        labels=tuple(str(label) for label in range(data.classes)),
        flatbuffer=flatbuffer,
        accuracy=accuracy,
        verdict=judge(accuracy[1], max_drop),
        origin=_origin(source, recipe, max_drop),
        attribution=data.attribution,
    )
    content = package(flatbuffer, manifest, choose_golden(data.test, source.test_logits, test.outputs))
    return Conversion(recipe, content, manifest, parse_model_file(content))


def load_keras(path: Path) -> tuple[bytes, keras.Model]:
    """The content of a .keras file, and the model in it.

    Raises:
        ModelFileError: it cannot be read as a Keras model.
    """
    try:
        content = path.read_bytes()
        if content[4:8] == FILE_IDENTIFIER:
            raise ModelFileError(f"{path}: is a .tflite file already; give the .keras file that it came from")
        return content, keras.saving.load_model(path, compile=False, safe_mode=True)
    except ModelFileError:
        raise
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # Keras raises ValueError, TypeError, KeyError and others of a file that is no model
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(f"{path}: is no Keras model that can be loaded ({first_line[:200]})") from error


def _predictions(split: Split, logits: NDArray[np.float32], found: Classifications) -> tuple[str, Any, Any, Any]:
    return split.name, split.labels, logits.argmax(axis=1), found.indices


def check_contract(path: Path, model: keras.Model, data: Dataset) -> None:
    """Refuse a Keras model that does not take 784 pixel values and give one output for each class of the data.

    Raises:
        ModelFileError: it does not; the message names its shapes.
    """
    shapes = ((None, SIDE * SIDE), (None, SIDE, SIDE), (None, SIDE, SIDE, 1))
    if len(model.inputs or ()) != 1 or tuple(model.input_shape) not in shapes:
        raise ModelFileError(f"{path}: takes input {model.input_shape}, expected 784 numbers, 28x28 or 28x28x1 of each image")
    if len(model.outputs) != 1 or tuple(model.output_shape) != (None, data.classes):
        raise ModelFileError(f"{path}: gives output {model.output_shape}, expected one logit for each of {data.classes} classes")


def _refuse_probabilities(path: Path, outputs: NDArray[np.float32]) -> None:
    if not np.isfinite(outputs).all():
        raise ModelFileError(f"{path}: answers with values that are no numbers (NaN or infinite)")
    if outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        raise ModelFileError(f"{path}: ends in softmax; build it to end in logits, probabilities are computed on the device")


def _origin(source: Source, recipe: Recipe, max_drop: float) -> Origin:
    calibration = source.calibration if recipe.static else ()
    indices = hashlib.sha256(np.array(calibration, "<i8").tobytes()).hexdigest()
    return Origin(
        training=_training_essentials(source.record) if source.record else {},
        keras_sha256=source.sha256,
        data_sha256=source.data.sha256,
        calibration={"method": "min-max", "images": len(calibration), "indices_sha256": indices} if calibration else {},
        versions={"edge-digits": __version__, **{name: version(name) for name in ("tensorflow", "keras", "ai-edge-litert")}},
        command=f"digits convert {source.file_name} --recipe {recipe.short} --max-drop {max_drop:g}",
    )


def _training_essentials(record: TrainingRecord) -> dict[str, Any]:
    return {
        "config": {**asdict(record.config), "hidden": list(record.config.hidden)},
        "parameters": record.parameters,
        "seconds": record.seconds,
        "validation_correct": record.validation.correct,
        "validation_total": record.validation.total,
        "versions": record.versions,
    }
