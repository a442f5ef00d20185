"""Half a million requests of every kind to `digits serve`, over loopback: memory, labels, failures. Takes some minutes.

What was found goes to benchmarks/reference/soak-BOARD.json, from which `make pages` writes a table; `make test-soak` asserts it.
"""

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from benchmarks.results.records import Machine
from benchmarks.system.info import this_machine
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import png_bytes
from tools.release.layout import run
from tools.studies.serving.load import Running, closed_loop, http_request, served
from tools.studies.serving.measure_serving import SEVEN
from tools.support.turns import add_board_options, board_and_target
from train.data import Dataset, load_dataset

REQUESTS, WARM_UP, PARTS = 500_000, 20_000, 50
IMAGES = 1_000
Expected = tuple[bytes, int, bytes]
"""A request, the status of its answer, and what its body holds."""


@dataclass(frozen=True)
class SoakResult:
    """What was found.

    Attributes:
        machine: where.
        requests: how many were answered, after the warm-up.
        failed: how many of them not, or not rightly.
        seconds: that they took.
        resident_bytes: of the server's memory, after the warm-up and after each of `PARTS` parts.
    """

    machine: Machine
    requests: int
    failed: int
    seconds: float
    resident_bytes: tuple[int, ...]

    @property
    def grown(self) -> int:
        """Bytes by which memory grew at the most since the warm-up."""
        return max(self.resident_bytes) - self.resident_bytes[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, and write the results file."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.serving.soak", description="Half a million requests to digits serve."
    )
    add_board_options(parser)
    options = parser.parse_args(arguments)
    board, target = board_and_target(options, "soak")
    result = soak(load_dataset(), board, REQUESTS // 100 if options.quick else REQUESTS)
    print(
        f"{result.requests:,} requests in {result.seconds:.0f} s, {result.failed} failed, {result.grown / 2**20:.1f} MB more memory"
    )
    if not options.quick:
        write_file(target, to_json(result) + "\n", options.force)


def soak(data: Dataset, board: str, count: int) -> SoakResult:
    """Send so many requests, after a warm-up, and look at the server's memory meanwhile."""
    expected = requests_of_all_kinds(data)
    resident, taken, failed, answered = [], 0.0, 0, 0
    machine = this_machine(board, Classifier.load().backend)
    with served("small", "--no-access-log", "--check-seconds", "5") as server:
        failed += _send(server, expected, WARM_UP)[0]
        resident.append(_resident(server))
        for _ in range(PARTS):
            wrong, right, seconds = _send(server, expected, count // PARTS)
            failed, answered, taken = failed + wrong, answered + right, taken + seconds
            resident.append(_resident(server))
    return SoakResult(machine, answered, failed, taken, tuple(resident))


def _send(server: Running, expected: Sequence[Expected], count: int) -> tuple[int, int, float]:
    """How many failed, how many were answered rightly, and the seconds."""

    def check(number: int, status: int, body: bytes) -> bool:
        return status == expected[number][1] and expected[number][2] in body

    outcome = closed_loop(server, [request for request, _, _ in expected], count=count, check=check)
    return outcome.failed, len(outcome.times), outcome.seconds


def _resident(server: Running) -> int:
    """Bytes of memory that the server's process holds."""
    (line,) = (line for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def requests_of_all_kinds(data: Dataset) -> list[Expected]:
    """A thousand requests: nine of ten ask for a label in bytes, the tenth is of one of a dozen other kinds."""
    images = data.x_test[:IMAGES]
    labels = Classifier.load().classify_batch(images).labels
    photo, photo_label = _photo(images[0]), b'"label":"%s"' % labels[0].encode()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + png_bytes(images[0]) + b"\r\n--x--\r\n"
    )
    infer, predict = "/v2/models/small/infer", "/v1/models/small:predict"
    many = images[:100]
    others: list[Expected] = [
        (http_request("POST", infer, _json_infer(images[1])), 200, b'"data":["%s"]' % labels[1].encode()),
        (http_request("POST", infer, many.tobytes(), Inference_Header_Content_Length="0"), 200, b'"shape":[100,10]'),
        (http_request("POST", predict, json.dumps({"instances": images[2:3].tolist()}).encode()), 200, b'{"predictions":[['),
        (http_request("POST", "/classify", png_bytes(images[0])), 200, photo_label),
        (http_request("POST", "/classify", form, Content_Type="multipart/form-data; boundary=x"), 200, photo_label),
        (http_request("POST", "/classify", photo), 200, photo_label),
        (http_request("POST", "/draw", json.dumps({"strokes": SEVEN}).encode()), 200, b'"label":"7"'),
        (http_request("POST", "/draw", b"{"), 400, b'{"error":"failed to parse'),
        (http_request("POST", infer, b"{}"), 400, b'{"error":'),
        (http_request("GET", "/nothing"), 404, b'{"error":"no such route'),
        (http_request("GET", infer), 405, b'{"error":'),
        (http_request("GET", "/v2/models/small"), 200, b'"platform"'),
        (http_request("GET", "/metrics"), 200, b"digits_requests_total"),
        (http_request("GET", "/"), 200, b"<!doctype html>"),
        (http_request("GET", "/v2/health/ready"), 200, b'{"ready":true}'),
    ]
    return [
        _binary(image, label) if number % 10 else others[number // 10 % len(others)]
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    ]


def _binary(image: np.ndarray, label: str) -> Expected:
    tensor = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "parameters": {"binary_data_size": image.nbytes}}
    header = json.dumps({"inputs": [tensor], "outputs": [{"name": "label", "parameters": {"binary_data": True}}]}).encode()
    request = http_request(
        "POST", "/v2/models/small/infer", header + image.tobytes(), Inference_Header_Content_Length=str(len(header))
    )
    return request, 200, b"\x01\0\0\0" + label.encode()


def _json_infer(image: np.ndarray) -> bytes:
    tensor = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "data": image.ravel().tolist()}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]}).encode()


def _photo(image: np.ndarray) -> bytes:
    """A JPEG of dark ink on light paper, larger than the digit."""
    stream = io.BytesIO()
    paper = np.pad(230 - np.kron(image / 255, np.ones((5, 5))) * 200, 60, constant_values=230)
    PIL.Image.fromarray(paper.astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


if __name__ == "__main__":
    run(main)
