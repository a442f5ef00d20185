"""Pages are up to date with the committed results that they are written from, and the writer changes nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.errors import DataError
from tests.conftest import ROOT
from tools.pages.__main__ import main
from tools.pages.catalogue import pages
from tools.pages.outputs import TextFile, filled, update


@pytest.mark.parametrize("page", pages())
def test_a_page_is_up_to_date(page: str) -> None:
    """`make pages` would change nothing, neither text nor pictures."""
    main(["--check", page])


def test_every_results_page_is_generated() -> None:
    """Each page of docs/results is one of the writer's, and its tables stand between marks."""
    written = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "results").iterdir()}
    assert written == {name for name in pages() if name.startswith("docs/results/")}
    for name in written:
        by_hand = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", (ROOT / name).read_text(), flags=re.DOTALL)
        assert "\n| " not in by_hand, name


def test_an_unknown_page_is_wrong_usage() -> None:
    """Exit code 2, with the pages that there are."""
    child = subprocess.run([sys.executable, "-m", "tools.pages", "--check", "docs/no.md"], capture_output=True, text=True, cwd=ROOT)
    assert child.returncode == 2
    assert "no page 'docs/no.md'; there are README.md, " in child.stderr


def test_a_page_out_of_date_is_an_error_and_is_written(tmp_path: Path) -> None:
    """With check nothing is written; without, the text is."""
    page = TextFile(tmp_path / "a.md", "# A\n\n| 1 |\n")
    with pytest.raises(DataError, match=r"a\.md is not what its sources say; run 'make pages'"):
        update([page], check=True)
    assert not page.path.exists()
    update([page], check=False)
    update([page], check=True)
    assert page.path.read_text() == page.text
    page.path.write_text(page.text.replace("1", "2"))
    with pytest.raises(DataError, match=r"a\.md is not what its sources say"):
        update([page], check=True)


def test_a_part_goes_between_its_marks() -> None:
    """A mark that somebody deleted is an error."""
    assert filled("a\n<!-- x -->\nold\n<!-- /x -->\nb", {"x": "new"}, "a.md") == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"
    with pytest.raises(DataError, match="no place for 'y'"):
        filled("a", {"y": "new"}, "a.md")
