"""Load the Keras model to convert, with its training record and its logits on validation and test images."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.quantization.recipes import RECIPES
from convert.source.keras_files import keras_file
from convert.source.keras_loading import OWN_SCALE, adapt, check_contract, find_scale, input_note, load_keras
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.errors import BadArgument, InputError
from edge_runtime.model.model_file import is_model_text
from train.backend import keras
from train.data import Dataset
from train.model.architectures import predict_logits
from train.runs.store import RECORD, TrainingRecord, read_record


@dataclass(frozen=True)
class Source:
    """A Keras model to convert.

    sha256: of the .keras file. record: of its training; None if it was trained elsewhere. command_arguments: the model in the command line,
    without folders. input_scale: pixel range that it was trained with. input_note: how images are adapted to its input shape; empty if
    they are not. validation_logits, test_logits: float32 [N, classes].
    """

    name: str
    sha256: str
    model: keras.Model
    record: TrainingRecord | None
    data: Dataset
    labels: tuple[str, ...]
    input_scale: str
    input_note: str
    command_arguments: str
    validation_logits: NDArray[np.float32]
    test_logits: NDArray[np.float32]

    @cached_property
    def floats(self) -> bytes:
        """The float32 FlatBuffer, from which quantised ones are made and with which they are compared."""
        return to_flatbuffer(self.model, RECIPES["fp32"])


def load_source(
    path: Path,
    data: Dataset,
    name: str | None = None,
    *,
    labels: Sequence[str] | None = None,
    input_scale: str | None = None,
    code: Path | None = None,
) -> Source:
    """Load a Keras model and predict the validation and test images.

    training.json is read if it is in the same folder; it names the data that the model was trained on.

    Args:
        path: the .keras or .h5 file, or the folder of a run.
        data: the data set that the model was trained on.
        name: of the model; that of its run's folder if None.
        labels: of the classes; their numbers if None.
        input_scale: pixel range that the model was trained with, one of `convert.source.keras_loading.SCALES`. By default that of
            `digits train` for its models, and for others the one that fits the validation images best.
        code: Python file that defines custom layers; it is executed.

    Raises:
        ModelFileError: not a Keras model that takes images of digits and outputs one number for each class of the data.
        DataError: training.json is damaged.
        InputError: the model was trained on other data, or with another pixel range.
        BadArgument: the name is not valid for a model, or there is not one label for each class.
    """
    path = keras_file(path)
    record_path = path.with_name(RECORD)
    record = read_record(record_path) if record_path.exists() else None
    own_name = path.resolve().parent.name if record else path.stem
    name = name or own_name
    if not is_model_text(name):
        raise BadArgument(f"{path}: the name {name!a} is not 1 to 64 printable characters; give another with --name")
    labels = tuple(labels or map(str, range(data.classes)))
    if len(labels) != data.classes or len(set(labels)) != len(labels) or not all(map(is_model_text, labels)):
        raise BadArgument(
            f"--labels has {len(labels)} ({', '.join(labels)[:80]!a}), expected {data.classes} different, of 1 to 64 printable characters"
        )
    content, model = load_keras(path, code)
    check_contract(path, model, data.classes)
    note = input_note(model)
    if record and record.data_sha256 != data.sha256:
        raise InputError(
            f"{path}: was trained on {record.data_source} (sha256 {record.data_sha256[:12]}), not on {data.source} "
            f"(sha256 {data.sha256[:12]}); give the training data with --data"
        )
    scale = input_scale if input_scale is not None else OWN_SCALE if record else find_scale(path, model, data.validation)
    model = adapt(path, model, scale, data.validation)
    return Source(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        model=model,
        record=record,
        data=data,
        labels=labels,
        input_scale=scale,
        input_note=note,
        command_arguments=_command_arguments(path, name if name != own_name else None, labels, scale, code),
        validation_logits=predict_logits(model, data.validation.images),
        test_logits=predict_logits(model, data.test.images),
    )


def _command_arguments(path: Path, name: str | None, labels: tuple[str, ...], input_scale: str, code: Path | None) -> str:
    """The model's part of the command line, without folders."""
    options = {
        "name": name,
        "labels": ",".join(labels) if labels != tuple(map(str, range(len(labels)))) else None,
        "input-scale": input_scale if input_scale != OWN_SCALE else None,
        "code": code.name if code else None,
    }
    return shlex.join([path.name, *(word for option, value in options.items() if value for word in (f"--{option}", value))])
