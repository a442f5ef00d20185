"""Quantisation-aware training: the weights of a float file, and the ranges of its activations, made fit for integers."""

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
from train.loop.input_pipeline import steps_of, view_of
from train.loop.progress import Progress
from train.loop.trainer import fit_weights

LEARNING_RATE = 0.001  # of weights in units of the largest of their channel
_MILD = Augmentation(rotation=10, shear=0.1, zoom=0.1, shift=2)  # for a model of which nobody knows what it was trained with


def train_for_integers(
    flatbuffer: bytes,
    data: Dataset,
    ranges: Mapping[int, Range],
    bits: WeightBits,
    epochs: int,
    config: TrainingConfig | None = None,
    quiet: bool = False,
) -> tuple[bytes, dict[int, Range]]:
    """Train a float file under fake quantisation, with itself as the teacher.

    Nine tenths of the loss is cross-entropy with what the float file says of the same augmented image, the rest with the labels. Adam's
    rate falls from `LEARNING_RATE` to 0 along half a cosine. The same arguments, machine and number of threads give the same result.

    Args:
        flatbuffer: the float file.
        data: its training split is trained on.
        ranges: of each activation by the tensor's number, as `ranges_on` gives them: where learning starts.
        bits: of an operation's weights.
        epochs: how many; each sees every training image once, augmented anew.
        config: what the model was trained by; its augmentation, batch size and seed are taken. None if that is not known.
        quiet: show no progress.

    Returns:
        The float file with weights that are whole steps, and the ranges that were learned.

    Raises:
        InputError: the file has an operator that cannot be trained.
        DigitsError: the loss became NaN or infinite.
    """
    file = FloatModel(flatbuffer)
    config = _config(config, epochs, hashlib.sha256(flatbuffer).hexdigest())
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    teacher, twin = FakeQuantModel(file), FakeQuantModel(file, ranges, bits)
    logits = [teacher.predict(view_of(data.train.images, config.augmentation, view)).astype(np.float16) for view in range(epochs)]
    with Progress(epochs, steps_of(config, len(data.train)), quiet) as progress:
        fit_weights(twin.model, config, data, progress=progress, teacher_logits=np.stack(logits))
    return file.with_constants(twin.constants()), twin.ranges


def _config(trained_by: TrainingConfig | None, epochs: int, teacher: str) -> TrainingConfig:
    known = trained_by or TrainingConfig("cnn", augmentation=_MILD)
    return TrainingConfig(
        "cnn",
        epochs=epochs,
        batch_size=known.batch_size,
        learning_rate=LEARNING_RATE,
        seed=known.seed,
        augmentation=known.augmentation,
        distillation=Distillation((teacher,), views=epochs),
    )
