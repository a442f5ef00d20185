"""What teachers say about every view of every training image: computed once, kept on disk, shared by students of every seed."""

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
from train.loop.input_pipeline import VIEWS_SEED, view_of


def default_cache() -> Path:
    """Where logits are kept between runs: edge-digits/ in the user's cache folder."""
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
    """Mean logits of a config's teachers for its views of the training images.

    The softmax of mean logits is the geometric mean of the teachers' probabilities, one of the two means that Hinton et al.
    (arXiv 1503.02531) propose; unlike the arithmetic one it is taken at any temperature later on.

    Args:
        config: one with distillation.
        data: its training split is judged.
        folder: where the teachers' model files are.
        cache: where what was computed before is, a file for each view; None for the user's cache folder.
        threads: cores to use.
        done: called after each view.

    Returns:
        float16 [views, N, classes] with as many views as `views_needed` says.

    Raises:
        DataError: a teacher is missing.
        BadArgument: a teacher knows another number of classes.
    """
    assert config.distillation is not None
    files = find_teachers(config.distillation.teachers, folder)
    classifiers = [Classifier(read_model_file(path), threads) for path in files]
    for path, classifier in zip(files, classifiers, strict=True):
        if (classes := classifier.model.graph.outputs[0].shape[-1]) != data.classes:
            raise BadArgument(f"teacher {path.name} knows {classes} classes, the data has {data.classes}")
    shelf = (cache or default_cache()) / f"teacher-logits-{_key(config, data)}"
    views: list[NDArray[np.float16]] = []
    for view in range(views_needed(config)):
        if views and config.augmentation is None:  # then one view is like the other
            views.append(views[0])
        else:
            views.append(_view_logits(classifiers, config.augmentation, data, view, shelf / f"{view:04}.npy"))
        if done:
            done()
    return np.stack(views)


def views_needed(config: TrainingConfig) -> int:
    """How many views a run of this config looks at."""
    assert config.distillation is not None
    return min(config.distillation.views, config.epochs)


def _view_logits(
    classifiers: Sequence[Classifier], augmentation: Augmentation | None, data: Dataset, view: int, path: Path
) -> NDArray[np.float16]:
    expected = (len(data.train), data.classes)
    stored = _read(path)
    if stored is not None and stored.shape == expected and stored.dtype == np.float16:
        return stored
    images = view_of(data.train.images, augmentation, view)
    answers = [classifier.classify_batch(images).logits for classifier in classifiers]
    logits: NDArray[np.float16] = np.mean(answers, axis=0).astype(np.float16)
    stream = io.BytesIO()
    np.save(stream, logits)
    write_file(path, stream.getvalue(), force=True)
    return logits


def _read(path: Path) -> NDArray[np.float16] | None:
    """A view from the cache; None if it is missing or damaged, which costs time and nothing else."""
    try:
        stored: NDArray[np.float16] = np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except Exception:  # numpy raises a dozen kinds of errors of damaged bytes
        return None
    return stored


def _key(config: TrainingConfig, data: Dataset) -> str:
    """Names what logits depend on, except for how many views there are. Whoever changes how views are drawn gives them another seed."""
    assert config.distillation is not None
    augmentation = "" if config.augmentation is None else to_json(config.augmentation)
    parts = (*config.distillation.teachers, augmentation, data.sha256, str(VIEWS_SEED))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
