"""Silence converters and quantisers, which print pages that do not concern the model."""

import contextlib
import io
import warnings
from collections.abc import Iterator

from edge_runtime.common.stderr_filter import filter_stderr


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within the block, discard stdout, stderr (of C++ code, too) and warnings."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), filter_stderr(everything=True):
        warnings.simplefilter("ignore")
        yield
