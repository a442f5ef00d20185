"""The README says what is measured: its tables are those that the committed results give."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    "script",
    [
        "tools.pages.readme",
        "tools.pages.training",
        "tools.pages.serving",
        "tools.pages.photos",
        "tools.pages.speed",
        "tools.pages.benchmarking",
    ],
)
def test_the_tables_are_written_by_the_script(script: str) -> None:
    """`make readme` would change nothing in README.md, or in docs/training.md, serving.md, photos.md, speed.md or benchmarking.md."""
    child = subprocess.run([sys.executable, "-m", script, "--check"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert child.returncode == 0, child.stderr


def test_every_link_to_a_file_leads_somewhere() -> None:
    """In the README and the documents."""
    import re

    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
