"""Hostile requests get 4xx or 503 or a timeout, and the next valid request is answered correctly."""

import contextlib
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.preprocessing.image_files import png_bytes
from tests.edge_runtime.serving.conftest import SEVEN_STROKES, Response, ask, binary_body, connected, label_of, received
from tools.studies.serving.load import Running, http_request, started
from tools.support.waiting import PATIENCE, until
from train.data import Dataset

INFER = "/v2/models/small/infer"
LIMITED = """
import json, sys, time
from pathlib import Path
from edge_runtime.serving.compose import Settings, serve
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.page import classify_routes

prepare, hold = classify_routes.prepare, Path(sys.argv[2])

def prepare_later(*words):
    while hold.exists():
        time.sleep(0.01)
    return prepare(*words)

classify_routes.prepare, limits = prepare_later, Limits(**json.loads(sys.argv[1]))
settings = Settings({"small": Path("small")}, "127.0.0.1", 0, workers=2, access_log=False, limits=limits)
serve(settings, lambda line: print(line, file=sys.stderr, flush=True))
"""


def _limited(hold: Path, **limits: float) -> contextlib.AbstractContextManager[Running]:
    """A server with limits that have no option; photos wait while the file `hold` exists."""
    return started([sys.executable, "-c", LIMITED, json.dumps(limits), str(hold)])


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with short deadlines, checked once a second, and few slots."""
    hold = tmp_path_factory.mktemp("strict") / "hold"
    with _limited(hold, header_seconds=1.0, body_seconds=2.0, write_seconds=1.0, requests=4) as running:
        yield running


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """While this file exists, `narrow` answers no photo."""
    return tmp_path / "hold"


@pytest.fixture
def narrow(hold: Path) -> Iterator[Running]:
    """A server with few slots and long deadlines."""
    patient = dict.fromkeys(("header_seconds", "body_seconds", "write_seconds"), PATIENCE)
    with _limited(hold, connections=12, requests=4, held=6_000_000, **patient) as running:
        yield running


def _send(server: Running, *parts: bytes, answers: int | None = None) -> bytes:
    """The response on one connection: a number of responses, or all until it is closed."""
    with connected(server) as connection:
        for part in parts:
            connection.sendall(part)
        return received(connection, answers)


def _dripping(connection: socket.socket, drop: bytes) -> bytes:
    """What arrives while single bytes are sent, until the server closes the connection; fails if it never does."""
    connection.settimeout(0.1)
    found, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            try:
                connection.sendall(drop)
                part = connection.recv(65_536)
            except (BrokenPipeError, ConnectionResetError):
                return found
            if not part:
                return found
            found += part
    pytest.fail("the connection lives by drops")


def test_slow_headers_are_cut_off(strict: Running, seven: np.ndarray) -> None:
    """Single bytes do not extend the deadline of the header: 408."""
    with connected(strict) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n")
        answer = _dripping(connection, b"X")
        assert not answer or answer.startswith(b"HTTP/1.1 408 ")  # the last drop, unread, may have cost the answer
    assert label_of(strict, seven) == "7"


def test_a_connection_made_in_advance_gets_no_answer_to_nothing(strict: Running) -> None:
    """A browser's connection without a byte is closed: a 408 could be taken for the answer to its first request."""
    with connected(strict) as silent:
        assert received(silent) == b""


def test_slow_headers_after_a_good_request_are_cut_off(strict: Running) -> None:
    """Also on a connection with an earlier response."""
    with connected(strict) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert received(connection, 1).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /v2 HT")
        assert received(connection).startswith(b"HTTP/1.1 408 ")


def test_a_header_begun_behind_a_good_request_is_cut_off(strict: Running) -> None:
    """In the same packet as a complete request, so that no later data starts the clock."""
    with connected(strict) as connection:
        connection.sendall(http_request("GET", "/v2") + b"GET /v2 HT")
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


def test_a_body_that_comes_after_its_answer_starts_no_clock(strict: Running) -> None:
    """After a late body has been discarded, the connection stays open without a deadline."""
    with connected(strict) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        assert received(connection, 1).startswith(b"HTTP/1.1 404 ")
        connection.sendall(b"12345")
        for _ in range(2):  # whoever begins no sooner than now is cut off meanwhile
            with connected(strict) as silent:
                assert received(silent) == b""
        connection.sendall(http_request("GET", "/v2"))
        assert received(connection, 1).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_dripped_after_its_answer_is_cut_off(strict: Running) -> None:
    """Such a body does not keep a connection open."""
    with connected(strict) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        assert received(connection, 1).startswith(b"HTTP/1.1 404 ")
        assert _dripping(connection, b"1") == b""


def test_connect_is_answered(server: Running, seven: np.ndarray) -> None:
    """As a method without a route; the server is no proxy."""
    answer = _send(server, b"CONNECT a:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", answers=1)
    assert answer.split(b" ")[1] in (b"404", b"405")
    assert label_of(server, seven) == "7"


def test_a_length_and_chunks_are_not_both_believed(server: Running) -> None:
    """A proxy may use the other one: 400 and the connection is closed, against request smuggling."""
    head = b"POST /draw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = _send(server, head + b"0\r\n\r\n" + http_request("GET", "/v2"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "target", [b"http://localhost/v2", b"HTTP://LOCALHOST:80/v2?x=1", b"https://127.0.0.1/v2", b"http://[::1]:1/%762"]
)
def test_a_whole_address_in_the_request_line_is_its_path_and_host(target: bytes, server: Running) -> None:
    """The absolute form of proxies: its host counts, and a Host header beside it does not (RFC 9112, 3.2.2)."""
    answer = _send(server, b"GET " + target + b" HTTP/1.1\r\nHost: evil.example\r\n\r\n", answers=1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"edge-digits"' in answer


@pytest.mark.parametrize(
    "target", [b"http://evil.example/v2", b"http://localhost@evil.example/v2", b"http:///v2", b"HTTPS://evil.example"]
)
def test_another_host_in_the_request_line_is_refused(target: bytes, server: Running) -> None:
    """A good Host header beside it does not help."""
    assert _send(server, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_an_address_without_a_path_is_the_page(server: Running) -> None:
    """As RFC 9112 has it for absolute targets."""
    answer = _send(server, b"GET http://localhost?model=small HTTP/1.1\r\nHost: localhost\r\n\r\n", answers=1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"text/html" in answer


@pytest.mark.parametrize("target", ["/%63lassify", "http://localhost/classify", "/classif%79?model=nano"])
def test_a_path_has_its_limits_however_it_is_spelled(target: str, server: Running) -> None:
    """A photo of more than 1 MiB is taken at /classify, and at every other spelling of it."""
    noise = np.random.RandomState(0).randint(0, 256, (1100, 1100)).astype(np.uint8)
    content = png_bytes(noise)
    assert len(content) > 2**20
    assert _send(server, http_request("POST", target, content), answers=1).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_does_not_arrive_is_408(strict: Running, seven: np.ndarray) -> None:
    """A body shorter than its Content-Length, and one that comes in single bytes."""
    with connected(strict) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nx".encode())
        answer = received(connection, 1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"1 bytes of the body arrived within 2 s" in answer
    assert label_of(strict, seven) == "7"


def test_a_client_that_goes_away_harms_nobody(strict: Running, seven: np.ndarray) -> None:
    """In the middle of the header or body, or before the response."""
    body, length = binary_body(seven[np.newaxis])
    whole = http_request("POST", INFER, body, Inference_Header_Content_Length=length)
    for cut in (10, 60, len(whole) - 100, len(whole)):
        with connected(strict) as connection:
            connection.sendall(whole[:cut])
    assert label_of(strict, seven) == "7"


def test_a_client_that_sends_no_more_gets_its_answer(strict: Running) -> None:
    """A half-closed connection after a complete request, as by `nc -N`."""
    with connected(strict) as connection:
        connection.sendall(http_request("GET", "/v2"))
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", [INFER, "/v1/models/small:predict", "/draw", "/v2/repository/index", "/classify", "/nothing"])
def test_huge_bodies_are_refused_unread(path: str, server: Running, seven: np.ndarray) -> None:
    """413 is sent before the body arrives."""
    with connected(server) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n".encode())
        assert received(connection, 1).startswith(b"HTTP/1.1 413 ")
    assert label_of(server, seven) == "7"


def test_a_huge_body_that_is_sent_all_the_same_is_refused(server: Running, seven: np.ndarray) -> None:
    """With Content-Length and in chunks: the client can read the response."""
    answer = ask(server, "POST", INFER, bytes(3_000_000))
    assert (answer.status, "2**20" in answer.error or "1,048,576" in answer.error) == (413, True)
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    head = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert _send(server, head, *[chunk] * 20, b"0\r\n\r\n", answers=1).startswith(b"HTTP/1.1 413 ")
    assert label_of(server, seven) == "7"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET /\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX y: 1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /draw HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /draw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /draw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /draw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /draw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(request_: bytes, strict: Running, seven: np.ndarray) -> None:
    """400 or another 4xx within the deadline, without a traceback."""
    answer = _send(strict, request_, answers=1)
    assert answer.split(b" ")[1][:1] == b"4", answer
    assert b"Traceback" not in answer
    assert label_of(strict, seven) == "7"


def test_a_body_within_another_requests_length_is_no_request(server: Running) -> None:
    """Bytes after a too short Content-Length are refused as the next request."""
    body = b'{"strokes": []}'
    answer = _send(server, http_request("POST", "/draw", body) + b"garbage\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 400 ") == 2


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    """Several requests in one packet."""
    requests = [http_request("GET", path) for path in ("/v2", "/nothing", "/v2/health/live")] * 3
    answer = _send(server, b"".join(requests), answers=9)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"] * 3


def test_more_requests_than_places_get_503(narrow: Running, hold: Path, seven: np.ndarray) -> None:
    """503 with Retry-After; probes are still answered; free slots are used again."""
    hold.touch()
    held = [connected(narrow) for _ in range(4)]
    for connection in held:
        connection.sendall(http_request("POST", "/classify", png_bytes(seven)))
    answer = until(lambda: _unless(400, ask(narrow, "POST", INFER, b"x")))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "4 requests are being answered" in answer.error
    assert ask(narrow, "GET", "/v2").status == 503
    assert ask(narrow, "GET", "/v2/health/ready").status == 200
    hold.unlink()
    for connection in held:
        assert received(connection, 1).startswith(b"HTTP/1.1 200 ")
        connection.close()
    assert label_of(narrow, seven) == "7"


def _unless(status: int, answer: Response) -> Response | None:
    return None if answer.status == status else answer


def test_bodies_that_do_not_come_keep_nobody_out(strict: Running, seven: np.ndarray) -> None:
    """Announced bodies that do not arrive block no other request, and time out."""
    promise = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nx".encode()
    held = [connected(strict) for _ in range(8)]
    for connection in held:
        connection.sendall(promise)
    assert label_of(strict, seven) == "7"
    assert ask(strict, "GET", "/").status == 200
    for connection in held:
        assert received(connection, 1).startswith(b"HTTP/1.1 408 ")
        connection.close()


def test_all_bodies_together_are_bounded(narrow: Running, seven: np.ndarray) -> None:
    """Bodies over 6 MB together get 503; the others are answered when they are complete."""
    part = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n".encode() + bytes(900_000)
    held = [connected(narrow) for _ in range(7)]
    for connection in held:
        connection.sendall(part)
    (refused,), _, _ = select.select(held, [], [], PATIENCE)
    assert received(refused, 1).startswith(b"HTTP/1.1 503 ")
    held.remove(refused)
    refused.close()
    for connection in held:
        connection.sendall(bytes(100_000))
        assert received(connection, 1).startswith(b"HTTP/1.1 400 ")
        connection.close()
    assert label_of(narrow, seven) == "7"


@contextlib.contextmanager
def _held(server: Running, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, until the end of the block."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(server)) for _ in range(count)]


def _is_answered(connection: socket.socket) -> bool:
    connection.sendall(http_request("GET", "/v2"))
    return received(connection, 1).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_keep_nobody_out(narrow: Running, seven: np.ndarray) -> None:
    """With all places taken by connections that ask nothing, the one that is idle for longest makes room; the others stay."""
    with _held(narrow, 12) as held:
        assert all(map(_is_answered, held))  # the first has been idle for longest since its answer
        assert ask(narrow, "GET", "/v2/health/live").status == 200
        assert received(held[0]) == b""
        assert all(map(_is_answered, held[1:]))
    assert label_of(narrow, seven) == "7"


def test_half_open_connections_keep_nobody_out(narrow: Running, seven: np.ndarray) -> None:
    """Connections that never send a byte, or the end of their header, make room too."""
    with _held(narrow, 40) as held:
        for connection in held[::2]:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: local")
        assert label_of(narrow, seven) == "7"


def test_connections_of_one_address_make_room_for_each_other(hold: Path, seven: np.ndarray) -> None:
    """An address with more connections than it may have loses its own, not another's."""
    with _limited(hold, connections_per_address=3) as server:
        with socket.create_connection((server.host, server.port), PATIENCE, ("127.0.0.2", 0)) as other:
            assert _is_answered(other)
            with _held(server, 9) as held:
                assert [received(connection) for connection in held[:6]] == [b""] * 6
                assert _is_answered(other)
        assert label_of(server, seven) == "7"


def test_busy_connections_make_no_room(narrow: Running, seven: np.ndarray) -> None:
    """With a request under way on each connection, the next one gets 503 and is closed."""
    body, length = binary_body(seven[np.newaxis])
    whole = http_request("POST", INFER, body, Inference_Header_Content_Length=length, Expect="100-continue")
    with _held(narrow, 12) as held:
        for connection in held:
            connection.sendall(whole[: -len(body)])
            assert received(connection, 1).startswith(b"HTTP/1.1 100 ")
        with connected(narrow) as late:
            assert received(late).startswith(b"HTTP/1.1 503 ")
        for connection in held:
            connection.sendall(body)
            assert received(connection, 1).startswith(b"HTTP/1.1 200 ")
            connection.close()
    until(lambda: _has_place(narrow))
    assert label_of(narrow, seven) == "7"


def _has_place(server: Running) -> bool:
    with connected(server) as connection, contextlib.suppress(BrokenPipeError):
        connection.sendall(http_request("GET", "/v2"))
        return received(connection, 1).startswith(b"HTTP/1.1 200 ")
    return False


def test_a_client_that_takes_no_answers_is_cut_off(strict: Running, seven: np.ndarray) -> None:
    """Thousands of pipelined requests whose responses are not read: the connection is closed, the server continues."""
    with connected(strict) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        many = http_request("GET", "/") * 200_000
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(many)
    assert label_of(strict, seven) == "7"


@pytest.mark.parametrize("path", [INFER, "/v1/models/small:predict", "/draw", "/v2/repository/index"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"inputs": NaN}',
        b'{"instances": [[[Infinity]]]}',
        b'{"strokes": [[[1e999, 0]]]}',
        b'{"inputs": [{"shape": [1e308, -1e308]}]}',
        b'{"id": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"9" * 100_000,
        b'"' + b"\\u0000" * 1_000 + b'"',
        b'{"inputs": [{"name": 1e999}]}',
        b'{"inputs": [{"name": "pixels", "datatype": -1e999, "shape": [1]}]}',
        b'{"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1, 28, 28], "data": [0.5, 1'
        + b"0" * 400
        + b", 0" * 782
        + b"]}]}",
        b'{"instances": [[[0.0, 1' + b"0" * 400 + b"]]]}",
    ],
)
def test_hostile_json_is_400(path: str, body: bytes, server: Running) -> None:
    """Deep, infinite, huge or invalid JSON gets an error in one line."""
    answer = ask(server, "POST", path, body)
    assert answer.status == 400 or (path.endswith("index") and answer.status == 200)
    assert len(answer.body) < 500


def _bodies(mnist: Dataset) -> list[tuple[str, bytes, dict[str, str]]]:
    """A valid body for each route with a body."""
    image = mnist.x_test[:1]
    binary, length = binary_body(image)
    tensor = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "data": image.tolist()}
    return [
        (INFER, binary, {"Inference_Header_Content_Length": length}),
        (INFER, json.dumps({"inputs": [tensor]}).encode(), {}),
        ("/v1/models/small:predict", json.dumps({"instances": image.tolist()}).encode(), {}),
        ("/draw", json.dumps({"strokes": SEVEN_STROKES}).encode(), {}),
        ("/classify", png_bytes(image[0]), {}),
        ("/v2/repository/index", b'{"ready": true}', {}),
    ]


_ANYWHERE = st.tuples(st.floats(0, 1), st.integers(0, 4), st.binary(max_size=4))
_NEAR_THE_START = st.tuples(st.floats(0, 0.3), st.just(1), st.sampled_from([b"[", b"{", b"-", b"e9", b"NaN", b'"']))
_EDITS = st.lists(_ANYWHERE | _NEAR_THE_START, min_size=1, max_size=8)


def _mutated(body: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for place, cut, put in edits:
        at = int(place * len(body))
        body = body[:at] + put + body[at + cut :]
    return body


class _Kept:
    """One connection for all requests of a fuzzing run, for speed."""

    def __init__(self, server: Running) -> None:
        self.socket = connected(server)

    def status(self, request: bytes) -> int:
        self.socket.sendall(request)
        answer = received(self.socket, 1)
        assert answer
        assert b"Traceback" not in answer
        return int(answer[9:12])


def _fuzz(server: Running, mnist: Dataset, examples: int) -> None:
    kept, bodies = _Kept(server), _bodies(mnist)
    good = http_request("POST", INFER, bodies[0][1], **bodies[0][2])

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.sampled_from(bodies), _EDITS)
    def one(chosen: tuple[str, bytes, dict[str, str]], edits: list[tuple[float, int, bytes]]) -> None:
        path, body, headers = chosen
        status = kept.status(http_request("POST", path, _mutated(body, edits), **headers))
        assert status == 200 or 400 <= status < 500 or status == 503, status
        assert kept.status(good) == 200

    one()
    kept.socket.close()
    assert label_of(server, mnist.x_test[0]) == "7"


def test_mutated_bodies_are_answered_or_refused(server: Running, mnist: Dataset) -> None:
    """300 mutated bodies, each followed by a valid request on the same connection."""
    _fuzz(server, mnist, 300)


@pytest.mark.sweep
def test_ten_thousand_mutated_bodies_are_answered_or_refused(server: Running, mnist: Dataset) -> None:
    """The same with 10,000."""
    _fuzz(server, mnist, 10_000)
