"""What a benchmark times: one module for each way to get an answer from a model file.

In: A model file and options.
Out: a `LoadedModel`, which answers one image or a batch.

Each module has `DISTRIBUTIONS`, the packages that it needs installed (options["package"] in their place, where that is given);
`prepare(options)`, which imports them, so that this can be timed apart; and `load(model, threads, options)`, which gives a `LoadedModel`.
They are imported in child processes, some of them in environments that have nothing of ours: modules here, but for `ours`, may use the
standard library, numpy and the package that they are about.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class LoadedModel(NamedTuple):
    """Something that answers.

    one: from an image, uint8 [28, 28], to its answer, as a program would ask. many: from a batch, uint8 [N, 28, 28], to the classes,
    integers [N].
    """

    one: Callable[[Any], object]
    many: Callable[[Any], Any]
