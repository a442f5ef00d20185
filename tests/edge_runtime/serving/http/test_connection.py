"""Responses on the wire: head, body, and the state of the connection afterwards."""

import contextlib
import importlib.metadata
import json
import socket
import tomllib
from http import HTTPStatus

import h11
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from edge_runtime.serving.http.connection import counted_address
from tests.conftest import ROOT
from tests.edge_runtime.serving.conftest import connected, received
from tools.studies.serving.load import Running


def _exchange(server: Running, request: bytes) -> tuple[h11.Response, bytes, bool]:
    """The response to a request, and whether the server then closes the connection instead of answering a second request."""
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
    """A response parsed by a strict client; fails if bytes are left over."""
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
    """A strict client parses it completely; the connection is closed exactly if the response announces it."""
    response, body, ended = _exchange(server, _request(server, first, *headers))
    names = dict(response.headers)
    assert int(names[b"content-length"]) == len(body)
    assert response.reason.decode() == HTTPStatus(response.status_code).phrase
    assert (names.get(b"connection") == b"close") == ended == ends
    assert {b"date", b"x-content-type-options", b"cache-control"} <= names.keys()


def test_head_has_the_length_and_no_body(server: Running) -> None:
    """HEAD has the header of GET and no body."""
    got, _, _ = _exchange(server, _request(server, "GET / HTTP/1.1"))
    response, body, ended = _exchange(server, _request(server, "HEAD / HTTP/1.1"))
    assert (response.status_code, body, ended) == (200, b"", False)
    assert dict(response.headers)[b"content-length"] == dict(got.headers)[b"content-length"]


def test_a_body_that_was_asked_for_first(server: Running) -> None:
    """The server sends 100 Continue before the body is sent, and the response after it."""
    with connected(server) as client:
        client.sendall(_request(server, "POST /draw HTTP/1.1", "Content-Length: 2", "Expect: 100-continue"))
        assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert client.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_a_refusal_needs_no_body(server: Running) -> None:
    """An error does not wait for the body."""
    with connected(server) as client:
        client.sendall(_request(server, "POST /draw HTTP/1.1", "Content-Length: 99999999", "Expect: 100-continue"))
        assert client.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_errors_outside_of_a_request_are_json_too(server: Running) -> None:
    """Invalid HTTP gets {"error": ...} like every other error, and the connection is closed."""
    with connected(server) as client:
        client.sendall(b"no HTTP\r\n\r\n")
        response, body = _parsed("GET", client)
        assert received(client) == b""
    names = dict(response.headers)
    assert (response.status_code, names[b"connection"], names[b"content-type"]) == (400, b"close", b"application/json")
    assert list(json.loads(body)) == ["error"]


def test_connections_are_counted_by_what_one_client_has() -> None:
    """An IPv4 address, also as IPv6 has it; of IPv6 the 64 bits of the network, in which a client chooses its address."""
    assert counted_address("192.0.2.7") == counted_address("::ffff:192.0.2.7") == "192.0.2.7"
    assert counted_address("2001:db8::1") == counted_address("2001:db8::ffff:2") != counted_address("2001:db8:0:1::1")
    assert counted_address("fe80::1%eth0") == counted_address("fe80::2")


def test_uvicorn_is_bounded_to_the_version_whose_parts_are_used() -> None:
    """The connection replaces parts of uvicorn that are not its interface."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (uvicorn,) = (Requirement(text) for text in extras["serve"] if text.startswith("uvicorn"))
    major, minor = Version(importlib.metadata.version("uvicorn")).release[:2]
    assert uvicorn.specifier.contains(f"{major}.{minor}.99")
    assert not uvicorn.specifier.contains(f"{major}.{minor + 1}.0")
