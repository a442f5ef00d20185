"""Fixtures that need no board of their own: the project's wheel, and a folder of models and digits to hand to boards."""

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime.boards import wheels
from tests.conftest import made_once
from tests.photos import invent_scene, jpeg_bytes, photograph, write_line

from .devices import COMPARED, LINE, PHOTOS, PICTURES


@pytest.fixture(scope="session")
def project_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from this checkout; by one process, since it is built in the checkout itself."""
    (wheel,) = made_once("project-wheel", wheels.build_wheel, tmp_path_factory).glob("*.whl")
    return wheel


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
    _add_photos(folder, mnist)
    return folder


def _add_photos(folder: Path, mnist: Any) -> None:
    """Photos of validation digits, one on each kind of paper and more, and one of a line of digits."""
    (folder / "photos").mkdir()
    images = mnist.validation.images
    for number in range(PHOTOS):
        (folder / "photos" / f"photo-{number}.jpg").write_bytes(jpeg_bytes(photograph(images[number], invent_scene(number))))
    scene = invent_scene(0)
    scene = replace(scene, size=0.7 * scene.width / scene.height, angle=4.0)
    (folder / LINE).write_bytes(jpeg_bytes(photograph(write_line(list(images[:4]), seed=0), scene)))
