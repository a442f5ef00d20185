"""Pages with parts that scripts write, between `<!-- NAME -->` and `<!-- /NAME -->`."""

import sys
from collections.abc import Mapping
from pathlib import Path


def write_parts(page: Path, parts: Mapping[str, str], command: str) -> None:
    """Put each part in its place; with `--check` on the command line, exit 1 if the page is not what would be written."""
    old = page.read_text()
    new = filled(old, parts, page.name)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if new == old else f"{page.name} is not what its results say; run '{command}'")
    page.write_text(new)


def filled(text: str, parts: Mapping[str, str], page: str) -> str:
    """The text of a page with each part in its place; ends the script if one has none."""
    for name, part in parts.items():
        before, start, rest = text.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not start or not end:
            sys.exit(f"{page} has no place for {name!r}")
        text = f"{before}{start}\n{part}\n{end}{after}"
    return text
