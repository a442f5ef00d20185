"""A real server in its own process, and requests over sockets."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tools.studies.serving.load import Running, served
from tools.support.waiting import PATIENCE
from train.data import Dataset

SEVEN_STROKES = [[[0.25, 0.15], [0.75, 0.15], [0.4, 0.9]]]


@dataclass(frozen=True)
class Response:
    """Status, headers by lower-case name, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of an error, in the format of all protocols here."""
        assert list(self.json) == ["error"]
        return str(self.json["error"])


def ask(server: Running, method: str, path: str, body: object = b"", **headers: str) -> Response:
    """Send one request on its own connection; a body that is not bytes is sent as JSON. Header names with _ for -."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    try:
        connection.request(method, path, content, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def connected(server: Running) -> socket.socket:
    """A connection to the server."""
    return socket.create_connection((server.host, server.port), timeout=PATIENCE)


def received(connection: socket.socket, answers: int | None = None) -> bytes:
    """What arrives until a number of responses is complete, or the server closes the connection; fails if neither happens."""
    found = b""
    try:
        while (answers is None or _whole_answers(found) < answers) and (part := connection.recv(65_536)):
            found += part
    except ConnectionResetError:
        pass
    return found


def _whole_answers(text: bytes) -> int:
    count = 0
    while True:
        head, end, body = text.partition(b"\r\n\r\n")
        length = re.search(rb"\ncontent-length: *(\d+)", head.lower())
        if not end or (length and len(body) < int(length[1])):
            return count
        count, text = count + 1, body[int(length[1]) if length else 0 :]


def binary_body(images: np.ndarray, outputs: tuple[str, ...] = ("scores", "label")) -> tuple[bytes, str]:
    """An infer request in the binary extension, and its Inference-Header-Content-Length."""
    tensor = {
        "name": "pixels",
        "shape": list(images.shape),
        "datatype": "UINT8",
        "parameters": {"binary_data_size": images.nbytes},
    }
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    header = json.dumps({"inputs": [tensor], "outputs": wanted}).encode()
    return header + images.tobytes(), str(len(header))


def label_of(server: Running, image: np.ndarray, model: str = "small") -> str:
    """The predicted label of uint8 [28, 28]; fails on an error."""
    body = {"inputs": [{"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "data": image.ravel().tolist()}]}
    answer = ask(server, "POST", f"/v2/models/{model}/infer", body)
    assert answer.status == 200, answer.body
    (label,) = (output["data"][0] for output in answer.json["outputs"] if output["name"] == "label")
    return str(label)


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """The default server with small and nano, for tests that do not change it."""
    with served("small", "nano") as running:
        yield running


@pytest.fixture(scope="session")
def seven(mnist: Dataset) -> np.ndarray:
    """The first test image, a 7."""
    return mnist.x_test[0]
