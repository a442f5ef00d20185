"""Teachers' logits for every view of every training image: computed once, cached on disk, shared by students of all seeds."""

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import BadArgument
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import read_model_file
from train.config.training_config import Augmentation, TrainingConfig
from train.data import Dataset
from train.distillation.teachers import TEACHERS, find_teachers
from train.loop.input_pipeline import VIEWS_SEED, training_split, view_of

SURE = 10.0
"""The logit of the label of a drawn digit, whose form the teachers may not know; those of other labels are 0."""


def default_cache() -> Path:
    """Default cache of logits: edge-digits/ in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-digits"


def teacher_logits(
    config: TrainingConfig,
    data: Dataset,
    *,
    folder: Path = TEACHERS,
    cache: Path | None = None,
    threads: int = 1,
    done: Callable[[], Any] | None = None,
) -> NDArray[np.float16]:
    """Mean logits of a config's teachers for its views of the training images. Drawn digits are taught by their labels alone.

    The softmax of mean logits is the normalised geometric mean of the teachers' probabilities, one of the two means that Hinton et al.
    (arXiv 1503.02531) propose; unlike the arithmetic mean, it can be computed for any temperature later.

    Args:
        config: a config with distillation.
        data: data set, whose training split is used.
        folder: folder of the teachers' model files.
        cache: folder of cached logits, a file per view; None for the user's cache folder.
        threads: CPU threads.
        done: called after each view.

    Returns:
        float16 [views, N, classes] with `views_needed(config)` views.

    Raises:
        DataError: a teacher is missing.
        BadArgument: a teacher has another number of classes.
    """
    assert config.distillation is not None
    files = find_teachers(config.distillation.teachers, folder)
    classifiers = [Classifier(read_model_file(path), threads) for path in files]
    for path, classifier in zip(files, classifiers, strict=True):
        if (classes := classifier.model.graph.outputs[0].shape[-1]) != data.classes:
            raise BadArgument(f"teacher {path.name} has {classes} classes, the data {data.classes}; choose other teachers or data")
    split = training_split(config, data)
    view_folder = (cache or default_cache()) / f"teacher-logits-{_cache_key(config, data)}"
    views: list[NDArray[np.float16]] = []
    for view in range(views_needed(config)):
        if views and config.augmentation is None:  # all views are equal
            views.append(views[0])
        else:
            views.append(
                _view_logits(classifiers, config.augmentation, split.images, len(data.train), view, view_folder / f"{view:04}.npy")
            )
        if done:
            done()
    drawn = np.eye(data.classes, dtype=np.float16)[split.labels[len(data.train) :]] * np.float16(SURE)
    return np.stack([np.concatenate([view, drawn]) for view in views])


def views_needed(config: TrainingConfig) -> int:
    """Number of views that a run of this config uses."""
    assert config.distillation is not None
    return min(config.distillation.views, config.epochs)


def _view_logits(
    classifiers: Sequence[Classifier],
    augmentation: Augmentation | None,
    images: NDArray[np.uint8],
    count: int,
    view: int,
    path: Path,
) -> NDArray[np.float16]:
    """The teachers' logits for a view of the first `count` images."""
    expected = (count, len(classifiers[0].labels))
    stored = _read(path)
    if stored is not None and stored.shape == expected and stored.dtype == np.float16:
        return stored
    views = view_of(images, augmentation, view)[:count]
    answers = [classifier.classify_batch(views).logits for classifier in classifiers]
    logits: NDArray[np.float16] = np.mean(answers, axis=0).astype(np.float16)
    stream = io.BytesIO()
    np.save(stream, logits)
    write_file(path, stream.getvalue(), force=True)
    return logits


def _read(path: Path) -> NDArray[np.float16] | None:
    """A view from the cache; None if it is missing or damaged, so that it is computed again."""
    try:
        stored: NDArray[np.float16] = np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except Exception:  # numpy raises many kinds of errors for damaged files
        return None
    return stored


def _cache_key(config: TrainingConfig, data: Dataset) -> str:
    """Hash of what the logits depend on, except the number of views. Change `VIEWS_SEED` whenever views are drawn differently."""
    assert config.distillation is not None
    augmentation = "" if config.augmentation is None else to_json(config.augmentation.settings())
    drawn = (f"{config.strokes} drawn, by label",) if config.strokes else ()
    parts = (*config.distillation.teachers, augmentation, data.sha256, *drawn, str(VIEWS_SEED))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
