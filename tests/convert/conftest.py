"""Conversions by command without a child process, which would load TensorFlow anew each time."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `digits convert` does in a child is done here. That it can be done there, other tests show."""

    def call(work: Callable[..., Any], *arguments: Any, step: Callable[[str], object], **options: Any) -> Any:
        return work(*arguments, step=step, **options)

    monkeypatch.setattr("convert.child.in_child", call)
