"""Half a million requests in a row (`make test-soak`): memory stays, nothing fails, every label is right."""

import json
import os
from pathlib import Path

import pytest

from edge_runtime.classifier import Classifier
from edge_runtime.images import png_bytes
from tests.edge_runtime.serving.conftest import SEVEN_STROKES, binary_body
from tools.load import Running, closed_loop, http_request, served
from train.data import Dataset

pytestmark = pytest.mark.soak

REQUESTS = int(os.environ.get("EDGE_DIGITS_SOAK", "500000"))
WARM_UP = 20_000
MOST_GROWTH = 10 * 2**20


def _resident(server: Running) -> int:
    """Bytes of memory that the server's process holds."""
    (line,) = (line for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _requests(mnist: Dataset) -> list[tuple[bytes, bytes]]:
    """Requests of every kind, and what their answers hold: the label that the classifier itself gives."""
    images = mnist.x_test[:1000]
    labels = Classifier.load().classify_batch(images).labels
    found = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path, headers, holds = "/v2/models/small/infer", {}, b'"datatype":"BYTES","shape":[1],"data":["%s"]' % label.encode()
        tensor = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "data": image.ravel().tolist()}
        body = json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]}).encode()
        if number % 10:
            body, length = binary_body(image[None], ("label",))
            headers, holds = {"Inference_Header_Content_Length": length}, b"\x01\0\0\0" + label.encode()
        elif number % 50 == 0:
            path, body, holds = "/classify", png_bytes(image), b'"label":"%s"' % label.encode()
        elif number % 50 == 10:
            path, body, holds = "/draw", json.dumps({"strokes": SEVEN_STROKES}).encode(), b'"label":"7"'
        elif number % 50 == 20:
            path, body, holds = "/draw", b"{", b'{"error":"failed to parse'
        found.append((http_request("POST", path, body, **headers), holds))
    return found


def test_half_a_million_requests(mnist: Dataset) -> None:
    """Resident memory after the warm-up and at the end differ by less than 10 MB; not one answer is wrong."""
    requests, holds = zip(*_requests(mnist), strict=True)
    with served("small", "--no-access-log", "--check-seconds", "5") as server:

        def check(number: int, status: int, body: bytes) -> bool:
            return holds[number] in body and status in (200, 400)

        assert closed_loop(server, requests, count=WARM_UP, check=check).failed == 0
        before = _resident(server)
        outcome = closed_loop(server, requests, count=REQUESTS, check=check)
        grown = _resident(server) - before
    print(
        f"{len(outcome.times):,} requests, {outcome.rate:.0f} a second, memory {before / 2**20:.1f} MB, grown by {grown / 2**20:.2f} MB"
    )
    assert (outcome.failed, len(outcome.times)) == (0, REQUESTS)
    assert grown < MOST_GROWTH
