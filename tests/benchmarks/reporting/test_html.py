"""The report: one HTML page that points nowhere and executes nothing."""

import base64
from collections import Counter
from html.parser import HTMLParser

import jinja2
import pytest

from benchmarks.reporting.html import Notes, Picture, Section, Table, render
from tests.benchmarks.samples import little_png

EVIL = "<script>alert('1')</script> & \"quoted\""


class _Page(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [value for key, value in self.attributes if key == name]


SECTIONS = [
    Section("Data", ["Where from.", "What for."], pictures=[Picture(little_png(), "A sample")]),
    Section(
        "Results", warnings=["noisy"], tables=[Table(("model", "p50"), [("cnn", "12.3 us"), ("mlp", "9.9 us")], "In a quiet room.")]
    ),
]


def test_the_page_holds_every_part_in_its_order() -> None:
    """Title, sections, paragraphs, warnings, captions, cells, pictures."""
    page = _Page(render("All of it", SECTIONS))
    text = [line.strip() for line in page.texts if line.strip()]
    shown = [
        *("All of it", "Data", "Where from.", "What for.", "A sample"),
        *("Results", "Note: noisy", "In a quiet room.", "model", "p50", "cnn", "12.3 us", "mlp", "9.9 us"),
    ]
    assert text[-len(shown) :] == shown
    counts = {name: page.tags[name] for name in ("h1", "section", "table", "tr", "th", "td", "img", "caption")}
    assert counts == {"h1": 1, "section": 2, "table": 1, "tr": 3, "th": 2, "td": 4, "img": 1, "caption": 1}


def test_the_verdict_comes_first_and_plots_before_tables() -> None:
    """Notes of one kind are folded behind all else; a single one is shown. Each cell knows its column, for narrow screens."""
    notes = [Notes("slow", ["a is slow", "b is slow"]), Notes("hot", ["it is hot"])]
    section = Section("Models", tables=[Table(("p50",), [("9 us",)])], pictures=[Picture(little_png(), "A plot")], notes=notes)
    page = _Page(render("All of it", [section], "Take b."))
    text = [line.strip() for line in page.texts if line.strip()]
    shown = [
        "All of it",
        "Take b.",
        "Models",
        "A plot",
        "p50",
        "9 us",
        "Note: slow (2)",
        "a is slow",
        "b is slow",
        "Note: it is hot",
    ]
    assert text[-len(shown) :] == shown
    assert (page.tags["details"], page.tags["li"], page.values("data-name")) == (1, 2, ["p50"])


def test_a_photo_is_no_plot() -> None:
    """White paper of a plot turns dark with the page, a photo stays as it is."""
    pictures = [Picture(little_png(), "plot"), Picture(little_png(), "photo", plot=False)]
    page = _Page(render("t", [Section("s", pictures=pictures)]))
    assert page.values("class").count("plot") == 1


def test_the_page_points_nowhere() -> None:
    """There is no address but data: URLs, so that it opens without a network and on other machines."""
    html = render("All of it", SECTIONS)
    page = _Page(html)
    assert "http://" not in html
    assert "https://" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert all(address.startswith("data:image/png;base64,") for address in page.values("src"))
    assert page.values("href") == []
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(page.tags)


def test_a_picture_is_in_the_page_itself() -> None:
    """Byte for byte, with alternative text."""
    page = _Page(render("t", SECTIONS))
    (address,) = page.values("src")
    assert base64.b64decode(address.partition(",")[2]) == little_png()
    assert page.values("alt") == ["A sample"]


@pytest.mark.parametrize(
    "section",
    [
        Section(EVIL),
        Section("s", paragraphs=[EVIL]),
        Section("s", warnings=[EVIL]),
        Section("s", tables=[Table(("model",), [(EVIL,)])]),
        Section("s", tables=[Table((EVIL,), [("cnn",)])]),
        Section("s", tables=[Table(("model",), [("cnn",)], EVIL)]),
        Section("s", pictures=[Picture(little_png(), EVIL)]),
    ],
    ids=["title", "paragraph", "warning", "cell", "header", "caption", "picture"],
)
def test_text_is_escaped_wherever_it_stands(section: Section) -> None:
    """A model named like a script is shown as text and not run."""
    html = render(EVIL, [section])
    page = _Page(html)
    assert page.tags["script"] == 0
    assert any(EVIL in text for text in page.texts)
    assert page.values("alt") in ([], [EVIL])
    assert "<script" not in html


def test_a_page_without_sections_has_its_title() -> None:
    """In the head and on the page."""
    assert _Page(render("Nothing yet", [])).texts.count("Nothing yet") == 2


def test_an_undefined_name_in_the_template_would_be_an_error() -> None:
    """A section without a field is an error."""
    with pytest.raises(jinja2.UndefinedError):
        render("t", [object()])  # type: ignore[list-item]
