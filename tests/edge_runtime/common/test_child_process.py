"""Which modules a child process of ours imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

RUN = """
import os, subprocess, sys
from edge_runtime.common.child_process import child_environment, module_command
sys.exit(subprocess.run(module_command("edge_runtime.shown"), env=child_environment(), cwd=sys.argv[1]).returncode)
"""
SHOW = "import json, wave, edge_runtime; print(json.__file__.split('/')[-1], wave.__file__.split('/')[-1], edge_runtime.__file__)"


@pytest.mark.parametrize("installed", [True, False])
def test_the_standard_library_comes_before_what_is_installed(installed: bool, tmp_path: Path) -> None:
    """A child finds our packages where they are, and no module of site-packages or of the current folder in place of Python's own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    place = site if installed else tmp_path / "checkout"
    (place / "edge_runtime").mkdir(parents=True)
    (place / "edge_runtime" / "__init__.py").touch()
    (place / "edge_runtime" / "shown.py").write_text(SHOW)
    (place / "edge_runtime" / "common").symlink_to(ROOT / "edge_runtime" / "common")
    (site / "wave.py").write_text("raise SystemExit('of site-packages')")
    (tmp_path / "json.py").write_text("raise SystemExit('of the current folder')")
    python = [tmp_path / "venv" / "bin" / "python", "-c", RUN, tmp_path]
    found = subprocess.run(python, capture_output=True, text=True, cwd="/", env={} if installed else {"PYTHONPATH": str(place)})
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["__init__.py", "wave.py", str(place / "edge_runtime" / "__init__.py")]
