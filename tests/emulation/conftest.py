"""Fixtures that need no board of their own: the project's wheel, and a folder of models and digits to hand to boards."""

import zipfile
from pathlib import Path

import pytest

from tools import wheelhouse


@pytest.fixture(scope="session")
def project_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from this checkout."""
    return wheelhouse.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def unpacked_project(project_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with what the wheel would install."""
    folder = tmp_path_factory.mktemp("project")
    with zipfile.ZipFile(project_wheel) as archive:
        archive.extractall(folder)
    return folder
