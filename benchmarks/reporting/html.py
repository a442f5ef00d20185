"""One self-contained HTML page: sections of text, tables and pictures. Nothing in it points outside."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import jinja2

from benchmarks.reporting.tables import Row


@dataclass(frozen=True)
class Table:
    """A table with a caption that says what its figures are."""

    header: Row
    rows: Sequence[Row]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG with the text that says what is to be seen."""

    png: bytes = field(repr=False)
    text: str

    @property
    def address(self) -> str:
        """The picture itself, as an address that a page can hold."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Section:
    """A part of the page; `paragraphs` first, then `warnings`, tables, pictures."""

    title: str
    paragraphs: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def render(title: str, sections: Sequence[Section], *, sortable: bool = False) -> str:
    """The page as HTML. All text is escaped; a `sortable` one has a script of its own that sorts tables by a heading."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader("benchmarks"), autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2").render(title=title, sections=sections, sortable=sortable)
