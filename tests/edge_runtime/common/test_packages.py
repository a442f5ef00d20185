"""What is said of packages that are installed but cannot be imported."""

from pathlib import Path

import pytest

from edge_runtime.common import packages
from edge_runtime.common.packages import broken_package

LIBRARY = "libstdc++.so.6: cannot open shared object file: No such file or directory"


def _numpy_without_library() -> ImportError:
    """What numpy 2 raises without libstdc++6: a page that begins with an appeal, from the error that names the library."""
    page = ImportError("\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!\n")
    module = "_multiarray_umath"
    path = f"/opt/digits/lib/python3.11/site-packages/numpy/_core/{module}.cpython-311-aarch64-linux-gnu.so"
    page.__cause__ = ImportError(LIBRARY, name=module, path=path)
    return page


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says that a system is a Debian: it is one."""
    path = tmp_path / "debian_version"
    path.touch()
    monkeypatch.setattr(packages, "_DEBIAN", path)
    return path


def test_a_missing_library_is_named_with_its_debian_package(debian: Path) -> None:
    """In one line, with the package that needs it, of which the outer error says nothing."""
    assert broken_package(_numpy_without_library()) == (
        f"numpy is installed but cannot be imported ({LIBRARY}); sudo apt install libstdc++6"
    )


def test_elsewhere_doctor_is_named(debian: Path) -> None:
    """On a system without apt, and for a cause that names no library."""
    assert broken_package(ImportError("damaged"), "cv2") == "cv2 is installed but cannot be imported (damaged); run digits doctor"
    debian.unlink()
    assert broken_package(_numpy_without_library()).endswith(f"({LIBRARY}); run digits doctor")


@pytest.mark.parametrize("path", [None, "/usr/lib/python3.11/lib-dynload/_x.so", "/opt/site-packages/_x.so"])
def test_an_error_without_a_package_in_its_path_names_the_module(path: str | None) -> None:
    """As far as the error says."""
    assert broken_package(ImportError("damaged", name="alone.part", path=path)).startswith("alone is installed but cannot")


def test_an_error_without_names_is_of_a_package() -> None:
    """Nothing is made up."""
    assert broken_package(ImportError()) == "a package is installed but cannot be imported (ImportError); run digits doctor"
