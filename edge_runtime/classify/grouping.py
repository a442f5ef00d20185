"""Group pictures as they are read, and classify each group as a batch."""

import time
from collections.abc import Iterable, Iterator, Sequence

from edge_runtime.errors import InputError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.results import Prediction
from edge_runtime.inputs.files import Item

_SECONDS = 0.05


def group_items(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield groups of up to `size` items, and at least every 50 ms, so that nobody waits for a group of slow ones to fill."""
    group: list[Item] = []
    since = time.monotonic()
    for item in items:
        group.append(item)
        if len(group) >= size or time.monotonic() - since > _SECONDS:
            yield group
            group, since = [], time.monotonic()
    if group:
        yield group


def predict_group(classifier: Classifier, group: Sequence[Item]) -> list[Prediction]:
    """Predictions for the usable pictures of a group.

    Raises:
        ModelFileError: the model's outputs are NaN or infinite.
    """
    usable = [(item.source, item.picture) for item in group if not isinstance(item.picture, InputError)]
    return classifier.classify_pictures([picture for _, picture in usable], [source for source, _ in usable])
