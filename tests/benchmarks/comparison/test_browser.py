"""The page of `digits report` in headless Chromium (`make test-browser`): tables sort by their headings, in units."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from benchmarks.reporting.html import Notes, Section, Table, render

pytestmark = pytest.mark.browser

ROWS = [("b", "9.5 us", "10.0 KB"), ("c", "-", "9.0 KB"), ("a", "1.20 ms", "0.1 MB"), ("d", "1,000.0 us", "900 B")]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    page = tmp_path / "report.html"
    page.write_text(render("Times", [Section("Models", tables=(Table(("name", "p50", "file"), ROWS),))], sortable=True))
    options = webdriver.ChromeOptions()
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'user'}",
    )
    for flag in flags:
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    started.get(page.as_uri())
    yield started
    started.quit()


def names(driver: webdriver.Chrome) -> str:
    return "".join(row.find_element(By.TAG_NAME, "td").text for row in driver.find_elements(By.CSS_SELECTOR, "tbody tr"))


@pytest.mark.parametrize(
    ("column", "up", "down"),
    [("name", "abcd", "dcba"), ("p50", "bdac", "adbc"), ("file", "dcba", "abcd")],
)
def test_a_click_on_a_heading_sorts(driver: webdriver.Chrome, column: str, up: str, down: str) -> None:
    """By value and unit, dashes last; a second click reverses the order."""
    assert names(driver) == "bcad"
    (button,) = [found for found in driver.find_elements(By.CSS_SELECTOR, "th button") if found.text == column]
    for expected, order in ((up, "ascending"), (down, "descending")):
        button.click()
        assert names(driver) == expected
        (marked,) = driver.find_elements(By.CSS_SELECTOR, "th[aria-sort]")
        assert (marked.text, marked.get_attribute("aria-sort")) == (column, order)
    assert not driver.get_log("browser")


WIDE = Table(("model", "sha256", *map(str, range(12))), [("m", 64 * "a", *("1,234.5 us (1,200.0 to 1,300.0)",) * 12)] * 2)


def test_nothing_scrolls_sideways_on_a_phone(driver: webdriver.Chrome, tmp_path: Path) -> None:
    """Neither the page nor anything in it, at 390 pixels, with a wide table, a hash and a long command."""
    path = tmp_path / "phone.html"
    path.write_text(
        render("t" * 90, [Section("s", [64 * "b"], tables=[WIDE], notes=[Notes("k", ["c" * 99] * 2)])], "v.", sortable=True)
    )
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    driver.get(path.as_uri())
    found = driver.execute_script(
        "return [...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)"
        ".filter(e => getComputedStyle(e).overflowX !== 'visible' || e === document.documentElement).map(e => e.tagName + e.scrollWidth)"
    )
    assert found == []
