"""Keeping off the screen what converters print and warn of: pages, none of them about the model."""

import contextlib
import io
import warnings
from collections.abc import Iterator

from edge_runtime.common.stderr_filter import filter_stderr


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """For as long as the block runs, nothing reaches stdout or stderr, and no warning is shown."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), filter_stderr(everything=True):
        warnings.simplefilter("ignore")
        yield
