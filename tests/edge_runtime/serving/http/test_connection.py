"""Answers on the wire: head and body of every kind of request, as HTTP wants them, and the connection after them."""

import contextlib
import socket
from http import HTTPStatus

import h11
import pytest

from tests.edge_runtime.serving.conftest import connected, received
from tools.studies.serving.load import Running


def _exchange(server: Running, request: bytes) -> tuple[h11.Response, bytes, bool]:
    """The answer to one request, and whether the server then ends the connection: a second request there is not answered."""
    with connected(server) as client:
        client.sendall(request)
        response, body = _parsed(request.partition(b" ")[0].decode(), client)
        with contextlib.suppress(BrokenPipeError):
            client.sendall(_request(server, "GET /v2 HTTP/1.1", "Connection: close"))
        second = received(client)
    assert second == b"" or second.startswith(b"HTTP/1.1 200 "), second
    return response, body, not second


def _request(server: Running, first: str, *headers: str) -> bytes:
    return "\r\n".join([first, f"Host: {server.host}:{server.port}", *headers, "", ""]).encode()


def _parsed(method: str, connection: socket.socket) -> tuple[h11.Response, bytes]:
    """An answer as a strict client reads it; fails if anything is left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())

    def next_event() -> object:
        while (event := client.next_event()) is h11.NEED_DATA:
            client.receive_data(connection.recv(65_536))
        return event

    response, body = next_event(), b""
    assert isinstance(response, h11.Response)
    while isinstance(event := next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data[0] == b""
    return response, body


@pytest.mark.parametrize(
    ("first", "headers", "ends"),
    [
        ("GET /v2 HTTP/1.1", (), False),
        ("GET /v2 HTTP/1.1", ("Connection: close",), True),
        ("GET /v2 HTTP/1.0", (), True),
        ("GET /none HTTP/1.1", (), False),
        ("GET /metrics HTTP/1.1", (), False),
        ("POST /draw HTTP/1.1", ("Content-Length: 0",), False),
        ("DELETE /v2 HTTP/1.1", (), False),
    ],
)
def test_an_answer_is_whole_and_the_connection_stays_or_ends(
    first: str, headers: tuple[str, ...], ends: bool, server: Running
) -> None:
    """A strict client reads it with nothing left over; it is told when the connection ends, and only then it does."""
    response, body, ended = _exchange(server, _request(server, first, *headers))
    names = dict(response.headers)
    assert int(names[b"content-length"]) == len(body)
    assert response.reason.decode() == HTTPStatus(response.status_code).phrase
    assert (names.get(b"connection") == b"close") == ended == ends
    assert {b"date", b"x-content-type-options", b"cache-control"} <= names.keys()


def test_head_has_the_length_and_no_body(server: Running) -> None:
    """The head is that of the GET; nothing follows it."""
    got, _, _ = _exchange(server, _request(server, "GET / HTTP/1.1"))
    response, body, ended = _exchange(server, _request(server, "HEAD / HTTP/1.1"))
    assert (response.status_code, body, ended) == (200, b"", False)
    assert dict(response.headers)[b"content-length"] == dict(got.headers)[b"content-length"]


def test_a_body_that_was_asked_for_first(server: Running) -> None:
    """Expect: 100-continue is answered before the body is sent, and the answer follows it."""
    with connected(server) as client:
        client.sendall(_request(server, "POST /draw HTTP/1.1", "Content-Length: 2", "Expect: 100-continue"))
        assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert client.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_a_refusal_needs_no_body(server: Running) -> None:
    """A body that will not be read is not asked for."""
    with connected(server) as client:
        client.sendall(_request(server, "POST /draw HTTP/1.1", "Content-Length: 99999999", "Expect: 100-continue"))
        assert client.recv(65_536).startswith(b"HTTP/1.1 413 ")
