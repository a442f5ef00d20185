"""Fixtures that need no board of their own: the project's wheel, and a folder of models and digits to hand to boards."""

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tools import wheelhouse

from .devices import COMPARED, PICTURES


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


@pytest.fixture(scope="session")
def shared(cnn_files: Mapping[str, Path], mnist: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the CNN's files, the images to compare, and a folder with some of them as pictures and a broken one."""
    folder = tmp_path_factory.mktemp("shared")
    for file in cnn_files.values():
        shutil.copy2(file, folder)
    np.save(folder / "images.npy", mnist.x_test[:COMPARED])
    (folder / "pictures").mkdir()
    for position in range(PICTURES):
        Image.fromarray(mnist.x_test[position]).save(folder / "pictures" / f"digit-{position}.png")
    (folder / "pictures" / "broken.png").write_bytes(b"broken")
    return folder
