"""The README and the documents: links lead somewhere, and no table of the README is long."""

import re

from tests.conftest import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def test_every_link_to_a_file_leads_somewhere() -> None:
    """In the README, CONTRIBUTING.md and the documents."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_link_to_a_heading_leads_somewhere() -> None:
    """The heading is there, in the same page or in another one."""
    for page in PAGES:
        for target, heading in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text()):
            text = (page.parent / target).read_text() if target else page.read_text()
            assert heading in map(_anchor, re.findall(r"^#+ (.*)$", text, re.MULTILINE)), f"{page.name}: {target}#{heading}"


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_no_table_of_the_readme_is_long() -> None:
    """Seven rows at most."""
    tables = re.findall(r"(?:^\|.*\n)+", README.read_text(), re.MULTILINE)
    assert tables
    assert all(table.count("\n") - 2 <= 7 for table in tables)


def test_the_walks_name_functions_that_exist() -> None:
    """Each `file.py:name` of CONTRIBUTING.md, and each `:name` of the file before it, is a function, method or class there."""
    steps = re.findall(r"`([\w/]*(?:\.py)?):(\w+)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(steps) > 40
    file = ""
    for path, name in steps:
        file = path or file
        assert re.search(rf"^ *(?:async def|def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE), f"{file}:{name}"
