"""Quantisation-aware training: fine-tune the weights and activation ranges of a float file for integers."""

import hashlib
from collections.abc import Mapping

import numpy as np

from convert.flatbuffer.float_model import FloatModel
from convert.quantization.activation_ranges import Range
from convert.quantization.fake_quant_model import FakeQuantModel
from convert.quantization.quantizer import WeightBits
from train.backend import keras, tf
from train.config.training_config import Augmentation, Distillation, TrainingConfig
from train.data import Dataset
from train.loop.input_pipeline import steps_of, training_split, view_of
from train.loop.progress import Progress
from train.loop.trainer import fit_weights

LEARNING_RATE = 0.001  # of weights relative to the largest of their channel
_MILD = Augmentation(rotation=10, shear=0.1, zoom=0.1, shift=2)  # for a model without a training record


def train_for_integers(
    flatbuffer: bytes,
    data: Dataset,
    ranges: Mapping[int, Range],
    bits: WeightBits,
    epochs: int,
    config: TrainingConfig | None = None,
    quiet: bool = False,
) -> tuple[bytes, dict[int, Range]]:
    """Train a float file with fake quantisation and itself as the teacher.

    Nine tenths of the loss is cross-entropy with the float file's prediction for the same augmented image, the rest with the labels. Adam's
    learning rate falls from `LEARNING_RATE` to 0 along half a cosine. The same arguments, machine and number of threads give the same
    result.

    Args:
        flatbuffer: the float file.
        data: whose training split is used.
        ranges: of each activation by tensor number, as from `ranges_on`; training starts from them.
        bits: of an operation's weights.
        epochs: number of passes over the training images, each with new augmentation.
        config: of the model's training, for augmentation, batch size and seed; None if unknown.
        quiet: show no progress.

    Returns:
        The float file with weights on the quantiser's steps, and the learned ranges.

    Raises:
        InputError: the file has an operator that cannot be trained.
        DigitsError: the loss became NaN or infinite.
    """
    file = FloatModel(flatbuffer)
    config = _config(config, epochs, hashlib.sha256(flatbuffer).hexdigest())
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    teacher, student = FakeQuantModel(file), FakeQuantModel(file, ranges, bits)
    images = training_split(config, data).images
    assert config.distillation is not None
    views = range(config.distillation.views)
    logits = [teacher.predict(view_of(images, config.augmentation, view)).astype(np.float16) for view in views]
    with Progress(epochs, steps_of(config, len(images)), quiet) as progress:
        fit_weights(student.model, config, data, progress=progress, teacher_logits=np.stack(logits))
    return file.with_constants(student.constants()), student.ranges


def _config(trained_by: TrainingConfig | None, epochs: int, teacher: str) -> TrainingConfig:
    known = trained_by or TrainingConfig("cnn", augmentation=_MILD)
    return TrainingConfig(
        "cnn",
        epochs=epochs,
        batch_size=known.batch_size,
        learning_rate=LEARNING_RATE,
        seed=known.seed,
        augmentation=known.augmentation,
        distillation=Distillation((teacher,), views=epochs if known.augmentation else 1),  # without, all views are the same
        strokes=known.strokes,
    )
