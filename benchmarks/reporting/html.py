"""A self-contained HTML page of sections with text, tables and pictures, without links to other files."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import jinja2

from benchmarks.reporting.tables import Row, drop_empty_columns


@dataclass(frozen=True)
class Table:
    """A table and its caption. Empty columns are not shown."""

    header: Row
    rows: Sequence[Row]
    caption: str = ""

    @property
    def shown(self) -> tuple[Row, list[Row]]:
        """Header and rows without empty columns."""
        return drop_empty_columns(self.header, self.rows)


@dataclass(frozen=True)
class Picture:
    """A PNG and its caption. plot: whether it is one, whose white turns dark on a dark page; a photo stays as it is."""

    png: bytes = field(repr=False)
    text: str
    plot: bool = True

    @property
    def address(self) -> str:
        """The picture as a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Notes:
    """Notes of one kind: its name, and their texts. A single note is shown, several are folded."""

    kind: str
    texts: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of the page, shown in the order of its fields."""

    title: str
    paragraphs: Sequence[str] = ()
    warnings: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[Notes] = ()


def render(title: str, sections: Sequence[Section], verdict: str = "", *, sortable: bool = False) -> str:
    """The page as HTML, with one sentence below its title. All text is escaped.

    A `sortable` page has a script that sorts a table when a heading is clicked.
    """
    environment = jinja2.Environment(loader=jinja2.PackageLoader("benchmarks"), autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2").render(title=title, verdict=verdict, sections=sections, sortable=sortable)
