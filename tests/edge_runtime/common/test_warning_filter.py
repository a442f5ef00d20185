"""Pillow's warnings are ignored while images are read, on threads too, and the program's filters are left as they were."""

import threading
import warnings

import pytest

from edge_runtime.common.warning_filter import ignore_pillow_warnings
from tools.support.waiting import PATIENCE


def _warn(module: str) -> None:
    warnings.warn_explicit("damaged", UserWarning, "file.py", 1, module)


def test_pillow_s_warnings_alone_are_ignored() -> None:
    """Within the block."""
    with ignore_pillow_warnings():
        _warn("PIL.TiffImagePlugin")
        with pytest.warns(UserWarning, match="damaged"):
            _warn("elsewhere")
    with pytest.warns(UserWarning, match="damaged"):
        _warn("PIL.TiffImagePlugin")


def test_blocks_that_overlap_leave_the_filters_as_they_were() -> None:
    """The first one ends first: until the second one ends Pillow is ignored, and then no more."""
    before = list(warnings.filters)
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with ignore_pillow_warnings():
            entered.set()
            leave.wait(PATIENCE)

    thread = threading.Thread(target=second)
    with ignore_pillow_warnings():
        thread.start()
        assert entered.wait(PATIENCE)
    assert warnings.filters != before
    _warn("PIL.Image")
    leave.set()
    thread.join()
    assert list(warnings.filters) == before


def test_filters_that_the_program_has_reset_stay_so() -> None:
    """Nothing is removed that is not there."""
    with warnings.catch_warnings():
        with ignore_pillow_warnings():
            warnings.resetwarnings()
        assert warnings.filters == []
