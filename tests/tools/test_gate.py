"""`.ci/run`: every target in turn, and how long each took."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose `make` writes down its target, and fails where a file of that name is."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$CI $*" >> asked\necho "closing line of $1"\n[ ! -e "fails-$1" ] || exit 2\n')
    make.chmod(0o755)
    return tmp_path


def _run(checkout: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{checkout}:/usr/bin:/bin"}
    return subprocess.run([checkout / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False)


def test_every_target_of_the_gate_is_one_of_the_makefile(checkout: Path) -> None:
    """With CI set, each once, and the last line has the seconds of each."""
    done = _run(checkout)
    assert done.returncode == 0, done.stderr
    asked = [line.removeprefix("true ") for line in (checkout / "asked").read_text().splitlines()]
    assert len(set(asked)) == len(asked) >= 9
    for target in asked:
        assert re.search(rf"^{target}: .*##", MAKEFILE, re.MULTILINE), target
        assert f"closing line of {target}\n" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert re.findall(r"([a-z-]+) \d+", last.partition("processors:")[2]) == asked


def test_a_target_that_fails_ends_the_gate(checkout: Path) -> None:
    """The exit code says so, the last line too, and nothing after it is run."""
    (checkout / "fails-test-slow").touch()
    done = _run(checkout)
    assert done.returncode != 0
    assert (checkout / "asked").read_text().splitlines()[-1] == "true test-slow"
    assert re.search(r" test-slow \d+ \(failed\)$", done.stdout.splitlines()[-1])
