"""Files that are written from committed results: each can be written, or compared with what it would be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_runtime.common.atomic_files import write_file
from edge_runtime.errors import DataError


class Output(Protocol):
    """A file of a page."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    def is_current(self) -> bool:
        """Whether the file is what would be written."""

    def content(self) -> bytes:
        """What would be written."""


@dataclass(frozen=True)
class TextFile:
    """A page as text."""

    path: Path
    text: str

    def is_current(self) -> bool:
        """Whether the file holds this text."""
        return self.path.exists() and self.path.read_text() == self.text

    def content(self) -> bytes:
        """The text as UTF-8."""
        return self.text.encode()


def update(outputs: Iterable[Output], *, check: bool) -> None:
    """Write the files that are out of date; with `check`, write nothing.

    Raises:
        DataError: with `check`, a file is out of date.
    """
    for output in outputs:
        if output.is_current():
            continue
        if check:
            raise DataError(f"{output.path.name} is not what its sources say; run 'make pages'")
        write_file(output.path, output.content(), force=True)


def filled(text: str, parts: Mapping[str, str], page: str) -> str:
    """The text of a page with each part between its marks, `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises:
        DataError: the page lacks the marks of a part.
    """
    for name, part in parts.items():
        before, start, rest = text.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not start or not end:
            raise DataError(f"{page} has no place for {name!r}: it needs <!-- {name} --> and <!-- /{name} -->")
        text = f"{before}{start}\n{part}\n{end}{after}"
    return text
