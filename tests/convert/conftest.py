"""Run `digits convert` without a child process, which would load TensorFlow each time."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the work of `digits convert` in this process; other tests cover the child process."""

    def call(work: Callable[..., Any], *arguments: Any, step: Callable[[str], object], **options: Any) -> Any:
        return work(*arguments, step=step, **options)

    monkeypatch.setattr("convert.child.in_child", call)
