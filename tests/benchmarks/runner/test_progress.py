"""The progress bar, on a terminal and without one."""

import io
import sys

import pytest

from benchmarks.runner.progress import progress


class Terminal(io.StringIO):
    """A terminal that keeps what it is given."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, shown: bool) -> None:
    """It names the part that is done, up to the last; a file or a pipe gets nothing."""
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(2) as step:
        step("cold start")
        step("accuracy")
    text = stream.getvalue()
    assert [word in text for word in ("cold start", "accuracy", "100%", "None")] == [shown] * 3 + [False]
