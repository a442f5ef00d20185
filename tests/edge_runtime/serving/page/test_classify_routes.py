"""The routes /classify and /draw: their predictions equal those of `digits classify --json`."""

import asyncio
import base64
import io
import json
import threading

import numpy as np
import PIL.Image
import pytest

from edge_runtime.preprocessing.image_files import png_bytes, read_picture
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.http.messages import Request
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import ModelRepository
from edge_runtime.serving.page import classify_routes
from edge_runtime.serving.page.classify_routes import ClassifyRoutes
from tests.commands import digits
from tests.conftest import draw_digit
from tests.edge_runtime.serving.conftest import SEVEN_STROKES, ask
from tests.edge_runtime.serving.model_files import NANO
from tools.studies.serving.load import Running


def _photo(kind: str = "PNG") -> bytes:
    """A large dark digit on light paper."""
    stream = io.BytesIO()
    PIL.Image.fromarray(255 - np.kron(draw_digit(7), np.ones((10, 10), np.uint8))).save(stream, kind)
    return stream.getvalue()


def _form(content: bytes, name: str = "seven.png", field: str = "image") -> tuple[bytes, str]:
    disposition = f'form-data; name="{field}"; filename="{name}"'
    head = f"--edge\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n"
    return head.encode() + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def test_a_file_gets_the_answer_of_the_command(server: Running, seven: np.ndarray, tmp_path) -> None:
    """The same label, scores and warnings as `digits classify --json`, and the same names for them; null without a digit."""
    for content, label in ((png_bytes(seven), "7"), (_photo(), "7"), (png_bytes(np.full((9, 9), 200, np.uint8)), None)):
        path = tmp_path / "x.png"
        path.write_bytes(content)
        printed = json.loads(digits("classify", path, "--json").out)
        answer = ask(server, "POST", "/classify", content).json
        assert answer["source"] == "request"
        for name in ("label", "index", "confidence", "scores", "warnings"):
            assert answer[name] == printed[name]
        assert answer["label"] == label


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_the_answer_shows_what_the_model_saw_if_asked(kind: str, server: Running) -> None:
    """With steps=1 it has the 28x28 pixels and the steps of the preparation, else a thousand bytes without them."""
    answer = ask(server, "POST", "/classify?model=nano&steps=1", _photo(kind)).json
    short = ask(server, "POST", "/classify?model=nano", _photo(kind))
    assert answer.keys() - short.json.keys() == {"image", "steps"}
    assert len(short.body) < 1_000
    image = np.frombuffer(base64.b64decode(answer["image"]), np.uint8).reshape(28, 28)
    assert np.array_equal(image, read_picture("x", io.BytesIO(_photo(kind))).image)
    last = answer["steps"][-1]
    assert (last["width"], last["height"], last["pixels"]) == (28, 28, answer["image"])
    assert answer["model"] == "nano"
    assert answer["labels"] == list("0123456789")
    assert answer["nanoseconds"]["model"] > 0
    assert answer["nanoseconds"]["prepare"] > 0


def test_a_form_with_a_file_is_taken(server: Running) -> None:
    """A form as `curl -F image=@seven.png` sends it: the file name becomes the source, and is never used as a path."""
    body, kind = _form(_photo(), "../../etc/passwd")
    answer = ask(server, "POST", "/classify", body, Content_Type=kind)
    assert (answer.json["label"], answer.json["source"]) == ("7", "../../etc/passwd")


def test_forms_without_one_file_are_refused(server: Running) -> None:
    """A form without a file, with two files, or with a wrong content type gives 400."""
    body, kind = _form(_photo())
    text = b'--edge\r\nContent-Disposition: form-data; name="image"\r\n\r\nseven\r\n--edge--\r\n'
    two = body.replace(b"--edge--\r\n", b"") + body
    for content, cause in (
        (text, "has no file"),
        (two, "Too many files"),
        (b"nonsense", "cannot be read|no file"),
        (b"", "no file"),
    ):
        answer = ask(server, "POST", "/classify", content, Content_Type=kind)
        assert answer.status == 400
        assert any(part in answer.error for part in cause.split("|"))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "not a PNG, JPEG, BMP, GIF, WebP or TIFF"),
        (b"GIF88a" + bytes(50), "not a PNG, JPEG, BMP, GIF, WebP or TIFF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        (_photo()[:200], "damaged|cannot be read"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "it is HEIC, save it as JPEG"),
    ],
)
def test_what_is_no_image_is_refused(content: bytes, cause: str, server: Running) -> None:
    """Status 400 with the library's message."""
    answer = ask(server, "POST", "/classify", content)
    assert answer.status == 400
    assert any(part in answer.error for part in cause.split("|"))


def test_an_image_of_too_many_pixels_is_refused(server: Running) -> None:
    """A small file that decompresses to more than 16 million pixels is refused."""
    stream = io.BytesIO()
    PIL.Image.new("1", (5_000, 4_000)).save(stream, "PNG")
    answer = ask(server, "POST", "/classify", stream.getvalue())
    assert answer.status == 400
    assert "16,000,000 pixels" in answer.error


def test_a_drawing_is_answered(server: Running) -> None:
    """A 7 of three points is classified by the chosen model."""
    for model in ("small", "nano"):
        answer = ask(server, "POST", f"/draw?model={model}", {"strokes": SEVEN_STROKES}).json
        assert (answer["label"], answer["model"], answer["source"]) == ("7", model, "drawing")
    assert ask(server, "POST", "/draw", {"strokes": SEVEN_STROKES}).json["model"] == "small"


@pytest.mark.parametrize("path", ["/draw?steps=1", "/draw?steps=0", "/draw"])
def test_a_drawings_picture_comes_if_asked(path: str, server: Running) -> None:
    """As for photos; a drawing has no steps."""
    answer = ask(server, "POST", path, {"strokes": SEVEN_STROKES}).json
    assert answer.get("steps") == ([] if path.endswith("=1") else None)
    assert len(base64.b64decode(answer.get("image", ""))) == (784 if path.endswith("=1") else 0)


def test_steps_are_asked_for_by_one(server: Running) -> None:
    """Another value is told."""
    answer = ask(server, "POST", "/classify?steps=yes", _photo())
    assert (answer.status, answer.error) == (400, "steps is 'yes', expected 0 or 1")


def test_a_page_is_read_as_by_the_command(server: Running, tmp_path) -> None:
    """The object of `digits read --json`, and the model; a picture without a digit has an empty text."""
    page = np.full((300, 700), 255, np.uint8)
    for number, digit in enumerate((3, 1, 4)):
        page[80:220, 60 + 200 * number : 200 + 200 * number] -= np.kron(draw_digit(digit), np.ones((5, 5), np.uint8))
    for content in (png_bytes(page), png_bytes(np.full((90, 90), 200, np.uint8))):
        path = tmp_path / "page.png"
        path.write_bytes(content)
        printed = json.loads(digits("read", path, "--json", "--model", "nano").out)
        body, kind = _form(content, str(path))
        answer = ask(server, "POST", "/read?model=nano", body, Content_Type=kind).json
        assert (answer.pop("model"), len(answer.pop("sha256"))) == ("nano", 64)
        assert answer == printed
    assert ask(server, "POST", "/read", png_bytes(page)).json["text"] == "314"
    assert ask(server, "POST", "/read", b"none").status == 400


@pytest.mark.parametrize("path", ["/draw?model=large", "/classify?model=../nano", "/draw?model=%00", "/read?model=large"])
def test_an_unknown_model_is_404(path: str, server: Running) -> None:
    """The error lists the served models."""
    answer = ask(server, "POST", path, {"strokes": SEVEN_STROKES})
    assert answer.status == 404
    assert "the models are small, nano" in answer.error


def test_a_drawing_is_parsed_and_drawn_on_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of points hold up no other request."""
    threads = set()

    def noted(function):
        def run(*words):
            threads.add(threading.current_thread())
            return function(*words)

        return run

    for name in ("parse_object", "parse_strokes", "draw"):
        monkeypatch.setattr(classify_routes, name, noted(getattr(classify_routes, name)))
    workers = WorkerThreads(1)
    routes = ClassifyRoutes(ModelRepository({"nano": NANO}, workers, JsonLog(io.StringIO())), workers, Limits())

    async def body() -> bytes:
        return json.dumps({"strokes": SEVEN_STROKES}).encode()

    response = asyncio.run(routes.draw(Request({}, {}, {}, body, None)))  # type: ignore[arg-type]
    routes.close()
    workers.close()
    assert json.loads(response.body)["label"] == "7"
    assert threads
    assert threading.current_thread() not in threads
