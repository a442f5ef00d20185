"""The page in headless Chromium (`make test-browser`): drawing, keys, photos, reloads, light and dark."""

import base64
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from edge_runtime.model.model_file import read_model_file
from edge_runtime.preprocessing.image_files import png_bytes
from tests.conftest import draw_digit
from tests.edge_runtime.serving.conftest import ask
from tests.edge_runtime.serving.model_files import NANO, SMALL, replace
from tools.studies.serving.load import Running, served
from tools.support.waiting import PATIENCE

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--window-size=1200,1000",
)
SEVEN = [(0.27, 0.18), (0.5, 0.17), (0.74, 0.18), (0.6, 0.5), (0.42, 0.86)]
ONE = [(0.5, 0.12), (0.5, 0.5), (0.51, 0.88)]
# Where the screenshots go, to be looked at.
SHOTS = os.environ.get("EDGE_DIGITS_SCREENSHOTS")
DROP = """
const [bytes, type, name, kind] = arguments;
const data = new DataTransfer();
data.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name, { type }));
const event = kind === "drop"
  ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
  : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
document.body.dispatchEvent(event);
"""


class Page:
    """The page in a browser."""

    def __init__(self, driver: webdriver.Chrome, server: Running) -> None:
        self.driver = driver
        self.server = server
        driver.get(f"{server.url}/")
        self.wait(lambda: Select(self.by_id("model")).options)
        self.wait(lambda: self.text("facts"))

    def by_id(self, name: str) -> WebElement:
        """The element with this id."""
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        """The text of the element with this id."""
        return self.by_id(name).get_attribute("textContent") or ""

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(lambda _: condition())

    def wait_for_digit(self, digit: str) -> None:
        """Wait until the page shows a prediction."""
        self.wait(lambda: self.text("digit") == digit)

    def draw(self, points: list[tuple[float, float]], kind: str = "mouse") -> None:
        """Draw a stroke with mouse, touch or pen, by real pointer events of the browser."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        pad = self.by_id("pad")
        side = pad.size["width"]
        actions = ActionBuilder(self.driver, mouse=PointerInput(kind, kind), duration=40)
        pointer = actions.pointer_action
        pointer.move_to(pad, int((points[0][0] - 0.5) * side), int((points[0][1] - 0.5) * side))
        pointer.pointer_down()
        for x, y in points[1:]:
            pointer.move_to(pad, int((x - 0.5) * side), int((y - 0.5) * side))
        pointer.pointer_up()
        actions.perform()

    def give(self, content: bytes, kind: str = "drop", media_type: str = "image/png", name: str = "photo.png") -> None:
        """Drop or paste a file."""
        self.driver.execute_script(DROP, base64.b64encode(content).decode(), media_type, name, kind)

    def errors(self) -> list[str]:
        """New console messages."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def shot(self, name: str) -> np.ndarray:
        """A screenshot as pixels, also saved if a folder for screenshots is set."""
        png = base64.b64decode(
            self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})["data"]
        )
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            (Path(SHOTS) / f"{name}.png").write_bytes(png)
        return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Debian's Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: webdriver.Chrome, server: Running) -> Iterator[Page]:
    """A fresh page; its console must be empty at the end."""
    page = Page(driver, server)
    page.errors()
    yield page
    assert page.errors() == []


def _photo() -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(100 - np.kron(draw_digit(7) // 12, np.ones((12, 12), np.uint8))).save(stream, "JPEG")  # faint: that is told
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["mouse", "touch", "pen"])
def test_a_drawn_seven_answers_seven(kind: str, page: Page) -> None:
    """With mouse, finger and pen; the page shows scores as bars, the model's input, and times."""
    page.draw(SEVEN, kind)
    page.wait_for_digit("7")
    rows = [row.text.split() for row in page.by_id("scores").find_elements(By.TAG_NAME, "tr")]
    assert [row[0] for row in rows] == list("0123456789")
    percents = [float(row[1]) for row in rows]
    assert percents.index(max(percents)) == 7
    assert sum(percents) == pytest.approx(100, abs=0.5)
    assert page.text("sure") == f"{percents[7]:.1f} % sure"
    widths = page.driver.execute_script("return [...document.querySelectorAll('.fill')].map((bar) => parseFloat(bar.style.width))")
    assert widths == pytest.approx(percents, abs=0.1)
    seen = page.driver.execute_script(
        "return [...seen.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, n) => n % 4 == 0)"
    )
    assert sum(level > 200 for level in seen) > 30
    assert "inference" in page.text("times")


def test_the_answer_comes_while_drawing(page: Page) -> None:
    """Predictions arrive before the pointer is lifted."""
    pad = page.by_id("pad")
    side = pad.size["width"]
    chain = ActionChains(page.driver, duration=30).move_to_element_with_offset(pad, 0, int(-0.38 * side)).click_and_hold()
    chain.move_to_element_with_offset(pad, 0, int(0.38 * side)).perform()
    page.wait_for_digit("1")
    ActionChains(page.driver).release().perform()


def test_undo_and_clear(page: Page) -> None:
    """Undo removes a stroke, by button and by Ctrl+Z; Clear removes all; both are disabled without strokes."""
    undo, clear = page.by_id("undo"), page.by_id("clear")
    assert not undo.is_enabled()
    assert not clear.is_enabled()
    page.draw(ONE)
    page.wait_for_digit("1")
    page.draw([(0.1, 0.5), (0.9, 0.5)])
    page.wait(lambda: page.driver.execute_script("return strokes.length") == 2)
    undo.click()
    page.wait(lambda: page.driver.execute_script("return strokes.length") == 1)
    page.wait_for_digit("1")
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    page.wait_for_digit("–")
    page.draw(SEVEN)
    page.wait_for_digit("7")
    clear.click()
    page.wait_for_digit("–")
    assert not undo.is_enabled()
    assert page.by_id("hint").is_displayed()


def test_everything_can_be_done_by_keyboard(page: Page) -> None:
    """Tab focuses the pad; arrows move the pen, Space lowers it; Z undoes, Delete clears; the model can be chosen."""
    page.driver.execute_script("document.activeElement.blur()")
    for _ in range(10):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        if page.driver.switch_to.active_element.get_attribute("id") == "pad":
            break
    else:
        pytest.fail("the pad is not reached by Tab")
    up, down, left = Keys.ARROW_UP, Keys.ARROW_DOWN, Keys.ARROW_LEFT
    ActionChains(page.driver).send_keys(
        up * 5, left * 8, " ", Keys.ARROW_RIGHT * 18, *[down, down, left] * 12, down * 4, " "
    ).perform()
    page.wait_for_digit("7")
    page.wait(lambda: page.text("said").startswith("7, "))
    ActionChains(page.driver).send_keys("z").perform()
    page.wait_for_digit("–")
    ActionChains(page.driver).send_keys(" ", down * 20, " ").perform()
    page.wait_for_digit("1")
    ActionChains(page.driver).send_keys(Keys.DELETE).perform()
    page.wait_for_digit("–")


def test_the_keyboards_place_is_seen(page: Page) -> None:
    """Focused by Tab, the pad has an outline inside its board, and shows the pen before a key is pressed."""
    page.driver.execute_script("document.activeElement.blur()")
    without = page.shot("pad-without-focus")
    while page.driver.switch_to.active_element.get_attribute("id") != "pad":
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
    with_focus = page.shot("pad-with-focus")
    box = page.by_id("pad").rect
    left, top, side = round(box["x"]), round(box["y"]), round(box["width"])
    edge = np.s_[top + 1 : top + 3, left + side // 4 : left + side // 2]
    pen = np.s_[top + int(0.2 * side) : top + int(0.4 * side), left + int(0.4 * side) : left + int(0.6 * side)]
    assert (without[edge] != with_focus[edge]).any(axis=-1).mean() > 0.9
    assert (without[pen] != with_focus[pen]).any(axis=-1).sum() > 20


def test_a_listener_can_follow_the_pen(page: Page) -> None:
    """Pen movements, positions and undo are announced at once, and not overwritten by the prediction."""
    page.by_id("pad").send_keys(Keys.ARROW_LEFT)
    assert page.text("pen-said") == "10 right, 6 down"
    page.by_id("pad").send_keys(" ")
    assert page.text("pen-said") == "pen down"
    page.by_id("pad").send_keys(Keys.ARROW_DOWN * 20, " ")
    page.wait(lambda: page.text("said"))
    assert page.text("pen-said") == "pen up"
    page.by_id("pad").send_keys("p")
    assert page.text("pen-said") == "10 right, 14 down, pen up"
    page.by_id("pad").send_keys("z")
    assert page.text("pen-said") == "the pad is empty"
    assert page.by_id("pen-said").get_attribute("role") == "status"


def test_a_screen_reader_is_told(page: Page) -> None:
    """Every control has an accessible name; the prediction is a status, announced once it is stable."""
    page.draw(SEVEN)
    page.wait(lambda: page.text("said").startswith("7, "))
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and "role" in node
    }
    for role in ("button", "combobox", "application", "image", "canvas"):
        assert all(name for found, name in named if found == role), role
    assert {("application", "Drawing pad"), ("combobox", "Model"), ("button", "Undo"), ("button", "Photo")} <= named
    assert ("image", "The 28 by 28 pixels that the model sees") in named
    assert page.by_id("said").get_attribute("role") == "status"
    assert page.driver.execute_script("return document.documentElement.lang") == "en"


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_is_answered_with_what_was_done_to_it(kind: str, page: Page) -> None:
    """A photo, dropped or pasted, is shown with its steps and warnings; drawing replaces it."""
    page.give(_photo(), kind, "image/jpeg", "seven.jpg")
    page.wait_for_digit("7")
    page.wait(page.by_id("strip-card").is_displayed)
    assert "seven.jpg" in page.text("strip")
    steps = page.by_id("strip").find_elements(By.CSS_SELECTOR, "canvas[role=img]")
    assert [step.accessible_name for step in steps][1:] == [
        "light and shadow removed",
        "ruled lines removed",
        "ink of the digit",
        "as in MNIST, 28x28",
    ]
    notes = [note.text for note in page.by_id("notes").find_elements(By.TAG_NAME, "li")]
    assert any("faint" in note for note in notes)
    page.draw(ONE)
    page.wait_for_digit("1")
    assert not page.by_id("strip-card").is_displayed()


def test_a_picture_without_a_digit_has_no_answer(page: Page) -> None:
    """No label and no bars, but the warning that says why; the next photo is answered."""
    page.give(png_bytes(np.full((80, 120), 230, np.uint8)))
    page.wait(lambda: page.text("sure") == "no digit found")
    assert page.text("digit") == "–"
    assert "%" not in page.text("scores")
    assert any("blank" in note.text for note in page.by_id("notes").find_elements(By.TAG_NAME, "li"))
    page.give(_photo(), "drop", "image/jpeg")
    page.wait_for_digit("7")


def test_a_photo_can_be_chosen(page: Page, tmp_path: Path) -> None:
    """By the file dialog; a file that is not an image gives an error."""
    path = tmp_path / "seven.png"
    path.write_bytes(png_bytes(draw_digit(7)))
    page.by_id("file").send_keys(str(path))
    page.wait_for_digit("7")
    path.with_suffix(".bmp").write_bytes(b"no picture")
    page.by_id("file").send_keys(str(path.with_suffix(".bmp")))
    page.wait(lambda: "is not a PNG, JPEG, BMP, GIF, WebP or TIFF image" in page.text("refused"))
    assert page.text("refused").startswith("seven.bmp: ")
    box, board = page.by_id("refused").rect, page.by_id("pad").rect  # told where it was dropped
    assert board["y"] < box["y"] < board["y"] + board["height"]
    assert page.text("digit") == "–"
    assert [message for message in page.errors() if "400" not in message] == []  # Chromium notes each 4xx
    page.draw(SEVEN)
    page.wait_for_digit("7")
    assert page.text("refused") == ""


def _line(*labels: int) -> bytes:
    page = np.full((300, 100 + 200 * len(labels)), 255, np.uint8)
    for number, label in enumerate(labels):
        page[80:220, 60 + 200 * number : 200 + 200 * number] -= np.kron(draw_digit(label), np.ones((5, 5), np.uint8))
    return png_bytes(page)


def test_several_digits_are_told_beside_the_answer_and_read(page: Page) -> None:
    """All of them, by the button beside the answer; the next photo of one digit has none."""
    page.give(_line(3, 1, 4))
    page.wait(page.by_id("several").is_displayed)
    page.by_id("read").click()
    page.wait(lambda: page.text("reading") == "314")
    assert page.by_id("reading") == page.driver.switch_to.active_element
    assert not page.by_id("several").is_displayed()
    page.give(_photo(), "drop", "image/jpeg")
    page.wait_for_digit("7")
    assert not page.by_id("several").is_displayed()
    assert not page.by_id("reading").is_displayed()


def test_a_large_photo_is_reduced_before_it_is_sent(page: Page) -> None:
    """24 million pixels, more than the server takes; what it reports of the picture is the same."""
    picture = PIL.Image.new("L", (6000, 4000), 255)
    picture.paste(PIL.Image.fromarray(255 - np.kron(draw_digit(7), np.ones((60, 60), np.uint8))), (2000, 1000))
    stream = io.BytesIO()
    picture.save(stream, "JPEG")
    page.give(stream.getvalue(), "drop", "image/jpeg")
    page.wait_for_digit("7")
    sent = page.driver.execute_async_script("const done = arguments[0]; photo.blob.then((blob) => done([blob.size, blob.type]))")
    assert sent[0] < len(stream.getvalue())
    assert sent[1] == "image/jpeg"


def test_a_button_that_is_disabled_leaves_the_focus_to_the_pad(page: Page) -> None:
    """Else a keyboard would begin again at the top of the page."""
    page.draw(ONE)
    page.wait_for_digit("1")
    page.by_id("undo").send_keys(" ")
    page.wait_for_digit("–")
    assert page.by_id("pad") == page.driver.switch_to.active_element


def test_bars_and_strokes_are_seen_in_forced_colours(page: Page) -> None:
    """As Windows' contrast themes have them: the browser takes backgrounds away, of which bars consist."""
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "forced-colors", "value": "active"}]})
    try:
        page.draw(SEVEN)
        page.wait_for_digit("7")
        colours = page.driver.execute_script(
            "const of = (name) => getComputedStyle(document.querySelector(name)).backgroundColor;"
            "return [of('.track'), of('tr.best .fill'), of('tr:not(.best) .fill')]"
        )
        assert len(set(colours)) == 3
        page.shot("forced-colours")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_long_words_make_no_phone_scroll_sideways(page: Page) -> None:
    """Names of files and models, refusals, and a long line that was read."""
    driver = page.driver
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        page.give(_line(3, 1, 4), name="x" * 200 + ".png")
        page.wait(page.by_id("several").is_displayed)
        driver.execute_script("""
for (const id of ["reading", "refused", "trouble", "facts", "sure"]) [$(id).textContent, $(id).hidden] = ["9".repeat(200), false];
$("model").options[0].text = "x".repeat(200);
""")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_camera_takes_a_photo(page: Page) -> None:
    """With the browser's fake camera: a picture is taken and classified, and the camera released."""
    page.by_id("camera").click()
    page.wait(lambda: page.driver.execute_script("return video.videoWidth") > 0)
    page.by_id("take").click()
    page.wait(page.by_id("strip-card").is_displayed)
    assert page.text("digit") in list("0123456789")
    assert page.driver.execute_script("return video.srcObject") is None
    assert not page.by_id("shutter").is_displayed()


def test_another_model_may_be_chosen(page: Page) -> None:
    """The chosen model classifies the current drawing, and its description is shown."""
    page.draw(SEVEN)
    page.wait_for_digit("7")
    before = page.text("facts")
    Select(page.by_id("model")).select_by_visible_text("nano")
    page.wait(lambda: page.by_id("digit").get_attribute("data-model") == "nano")
    page.wait(lambda: page.text("facts") != before)
    assert page.text("digit") == "7"


def test_a_reloaded_model_answers_without_a_reload_of_the_page(driver: webdriver.Chrome, tmp_path: Path) -> None:
    """A changed model file classifies the next drawing on an open page."""
    path = tmp_path / "mine.tflite"
    path.write_bytes(SMALL.read_bytes())
    with served(path, "--reload-seconds", "0.2") as server:
        page = Page(driver, server)
        page.draw(SEVEN)
        page.wait_for_digit("7")
        old = page.text("facts")
        replace(path, NANO.read_bytes())
        page.wait(lambda: ask(server, "GET", "/v2/models/mine").json["parameters"]["sha256"] == read_model_file(NANO).sha256)
        page.draw([(0.4, 0.5), (0.68, 0.5)])
        page.wait(lambda: page.text("facts") != old)
        page.wait_for_digit("7")
        assert page.errors() == []


def test_without_the_server_the_page_says_so_and_keeps_the_drawing(page: Page) -> None:
    """The page recovers from a lost connection; it sends requests to the server only."""
    page.draw(SEVEN)
    page.wait_for_digit("7")
    asked = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => new URL(entry.name, location).origin)"
    )
    assert set(asked) <= {page.server.url, "null"}
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    page.draw([(0.4, 0.5), (0.68, 0.5)])
    page.wait(lambda: "does not answer. What you drew is kept" in page.text("trouble"))
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    page.by_id("undo").click()
    page.wait(lambda: page.text("trouble") == "")
    page.wait_for_digit("7")
    assert [message for message in page.errors() if "ERR_INTERNET_DISCONNECTED" not in message] == []


@pytest.mark.parametrize("token", ["sesame-sesame-sesame", 'a%^{}|[]"<>\\`~&#?20%41'])
def test_a_token_is_asked_for(token: str, driver: webdriver.Chrome) -> None:
    """The page loads without the token, asks for it in a field that password managers fill, and then works, whatever characters it has."""
    with served("small", environment={"DIGITS_TOKEN": token}) as server:
        driver.get(f"{server.url}/")
        form = driver.find_element(By.ID, "token-form")
        WebDriverWait(driver, PATIENCE).until(lambda _: form.is_displayed())
        field = driver.find_element(By.ID, "token")
        assert field == driver.switch_to.active_element
        assert field.get_attribute("autocomplete") == "current-password"
        field.send_keys(token, Keys.ENTER)
        WebDriverWait(driver, PATIENCE).until(lambda _: "bytes" in driver.find_element(By.ID, "facts").text)
        assert not form.is_displayed()
        assert driver.find_element(By.ID, "pad") == driver.switch_to.active_element
        page = Page(driver, server)
        page.draw(SEVEN)
        page.wait_for_digit("7")
        page.errors()
        driver.execute_script("sessionStorage.clear()")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1200, 900), (390, 844), (320, 640)], ids=["desktop", "phone", "narrow"])
def test_it_fits_light_and_dark_desktop_and_phone(width: int, height: int, dark: bool, page: Page) -> None:
    """Nothing is cut off; contrasts satisfy WCAG; on a phone the prediction is on the first screen."""
    driver = page.driver
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    )
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    try:
        name = f"{width}-{'dark' if dark else 'light'}"
        page.draw(SEVEN, "touch" if width < 500 else "mouse")
        page.wait_for_digit("7")
        pixels = page.shot(f"{name}-drawing")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert (pixels[5, 5].mean() < 80) == dark
        assert page.by_id("digit").location["y"] < 844
        assert _least_contrast(driver) >= 4.5
        page.give(_photo(), media_type="image/jpeg")
        page.wait(page.by_id("strip-card").is_displayed)
        page.shot(f"{name}-photo")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def _least_contrast(driver: webdriver.Chrome) -> float:
    """The lowest contrast between visible text and its background. Formula: WCAG 2.2, "contrast ratio" and "relative luminance"."""
    script = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = numbers(colour).map((part) => linear(part / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    const parts = numbers(colour);
    if (parts.length < 4 || parts[3] === 1) return colour;
  }
  return "rgb(255, 255, 255)";
};
const texts = [...document.querySelectorAll("body *")].filter((element) =>
  element.checkVisibility() && !element.disabled && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
return Math.min(...texts.map((element) => {
  const [one, two] = [light(getComputedStyle(element).color), light(ground(element))];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}));
"""
    return float(driver.execute_script(script))
