"""Backends: one module for each way to run a model file.

In: A model file and options.
Out: a `LoadedModel`, which classifies an image or a batch.

Each module has `DISTRIBUTIONS`, the packages that it needs (besides options["package"]), and may have `FOLDERS`, folders of packages that
are not installed as such; `prepare(options)`, which imports them, so
that imports can be timed separately; and `load(model, threads, options)`, which returns a `LoadedModel`. Workers import these modules, some
in environments without our packages: all but `ours` may use the standard library, numpy and the package that they run.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class LoadedModel(NamedTuple):
    """A model, loaded by a backend.

    one: classifies an image, uint8 [28, 28], as a program would. many: the classes, integers [N], of a batch, uint8 [N, 28, 28]. Of our own
    classifier alone: photo: the label of an image file's bytes. golden: how many golden images have the recorded label, of how many, and
    whether their outputs are within the tolerance.
    """

    one: Callable[[Any], object]
    many: Callable[[Any], Any]
    photo: Callable[[bytes], object] | None = None
    golden: Callable[[], tuple[int, int, bool]] | None = None
