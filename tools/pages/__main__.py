"""Writes every table in README.md and docs/ from committed results: `python -m tools.pages`, `make pages`."""

import argparse
from collections.abc import Sequence

from tools.pages.catalogue import pages
from tools.pages.outputs import update
from tools.release.layout import Layout, run


def main(arguments: Sequence[str] | None = None) -> None:
    """Write or compare the pages.

    Raises:
        DataError: a source is missing, or with --check, a page is out of date.
    """
    known = pages()
    parser = argparse.ArgumentParser(prog="python -m tools.pages", description="Write tables into pages from committed results.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"all of them if not given: {', '.join(known)}")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 if a page is out of date")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.pages if name not in known]:
        parser.error(f"no page {unknown[0]!r}; there are {', '.join(known)}")
    for name in options.pages or known:
        update(known[name](Layout()), check=options.check)


if __name__ == "__main__":
    run(main)
