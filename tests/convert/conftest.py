"""Run `digits convert` without a child process, which would load TensorFlow each time."""

import os
import platform
from collections.abc import Callable
from typing import Any

import pytest

from convert.tflite_micro.interpreter import installed_version


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the work of `digits convert` in this process; other tests cover the child process."""

    def call(work: Callable[..., Any], *arguments: Any, step: Callable[[str], object], **options: Any) -> Any:
        return work(*arguments, step=step, **options)

    monkeypatch.setattr("convert.child.in_child", call)


@pytest.fixture(scope="session")
def tflite_micro() -> str:
    """The version of the package tflite-micro; without it tests are skipped, but in CI they fail where it has wheels."""
    found = installed_version()
    if found is None and (platform.machine() != "x86_64" or not os.environ.get("CI")):
        pytest.skip("tflite-micro is not installed")
    assert found, "CI needs tflite-micro"
    return found
