"""Access: tokens, hosts, origins, the page's content policy, and paths outside of the routes."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.commands import digits, one_line
from tests.conftest import ROOT
from tests.edge_runtime.serving.conftest import ask, connected, received
from tools.studies.serving.load import Running, http_request, served

TOKEN = "0123456789abcdef-token"
INFER = "/v2/models/small/infer"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a token, an allowed origin and an allowed host."""
    path = tmp_path_factory.mktemp("secret") / "token"
    path.write_text(f"{TOKEN}\n")
    words = ("small", "--token-file", path, "--cors-origin", "https://example.org", "--allow-host", "pi.local", "--no-access-log")
    with served(*words) as running:
        yield running


def _raw(server: Running, **headers: str) -> int:
    return ask(server, "POST", INFER, np.zeros(784, np.uint8).tobytes(), Inference_Header_Content_Length="0", **headers).status


@pytest.mark.parametrize("value", [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ü"])
def test_without_the_token_nothing_is_answered(value: str | None, closed: Running) -> None:
    """Without a token, with a wrong one or another scheme: 401 with WWW-Authenticate."""
    headers = {} if value is None else {"Authorization": value}
    for method, path in (("POST", INFER), ("GET", "/v2"), ("GET", "/metrics"), ("POST", "/classify"), ("GET", "/nothing")):
        answer = ask(closed, method, path, b"", **headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.error


def test_a_stranger_keeps_no_connection(closed: Running) -> None:
    """After 401 the connection is closed, but not before a body that is still being sent could cost the client its answer."""
    for body in (b"", bytes(4_000_000)):
        with connected(closed) as connection:
            connection.sendall(http_request("POST", "/classify", body))
            answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"}")


def test_with_the_token_all_is(closed: Running) -> None:
    """The page and the probes need no token."""
    assert _raw(closed, Authorization=f"Bearer {TOKEN}") == 200
    assert _raw(closed, Authorization=f"bearer {TOKEN}") == 200  # RFC 9110, 11.1
    assert ask(closed, "GET", "/metrics", Authorization=f"Bearer {TOKEN}").status == 200
    for path in ("/", "/v2/health/live", "/v2/health/ready"):
        assert ask(closed, "GET", path).status == 200


def test_other_hosts_are_refused_on_loopback(server: Running, closed: Running) -> None:
    """Other host names get 403 on loopback (DNS rebinding), unless they are allowed."""
    for host in ("localhost", "localhost:8000", "127.0.0.1:1", "[::1]:80", "LOCALHOST"):
        assert _raw(server, Host=host) == 200
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "pi.local", "localhost]evil.example"):
        assert _raw(server, Host=host) == 403
    assert _raw(closed, Host="pi.local:8000", Authorization=f"Bearer {TOKEN}") == 200


def test_scripts_of_other_origins_may_ask_only_if_named(server: Running, closed: Running) -> None:
    """CORS is off without --cors-origin, and for other origins."""
    ours, theirs = {"Origin": "https://example.org"}, {"Origin": "https://evil.example"}
    allow = "access-control-allow-origin"
    assert allow not in ask(server, "GET", "/v2", **ours).headers
    assert ask(closed, "GET", "/v2", Authorization=f"Bearer {TOKEN}", **ours).headers[allow] == "https://example.org"
    assert allow not in ask(closed, "GET", "/v2", Authorization=f"Bearer {TOKEN}", **theirs).headers
    wish = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    assert ask(closed, "OPTIONS", INFER, **ours, **wish).headers[allow] == "https://example.org"
    assert allow not in ask(closed, "OPTIONS", INFER, **theirs, **wish).headers
    assert ask(server, "OPTIONS", INFER, **ours, **wish).status == 405


def test_loopback_spelled_otherwise_is_loopback() -> None:
    """The bound address counts, not its spelling."""
    with served("nano", "--host", "127.1", "--no-access-log") as running:
        assert ask(running, "GET", "/v2", Host="localhost").status == 200
        assert ask(running, "GET", "/v2", Host="evil.example").status == 403


@pytest.mark.parametrize("origin", ["https://example.org/", "https://example.org/page", "example.org", "ftp://example.org"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """Such an origin would never match."""
    answer = digits("serve", "nano", "--port", "0", "--cors-origin", origin)
    assert f"'{origin}' is not an origin" in one_line(answer, 2)


def test_no_number_of_seconds_is_refused() -> None:
    """NaN passes click's range check."""
    code, _, error = digits("serve", "nano", "--port", "0", "--reload-seconds", "nan")
    assert (code, "nan is not a number of seconds" in error) == (2, True)


def test_the_page_may_load_nothing_from_elsewhere(server: Running) -> None:
    """The policy allows the page's own script and style only, and the page refers to no other server."""
    answer = ask(server, "GET", "/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert re.fullmatch(r"'sha256-[\w+/]+='", policy["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/]+='", policy["style-src"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    page = answer.body.decode()
    assert set(re.findall(r"https?://[^'\"\s]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\bsrc=|@import|url\(", page)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/v2/models/..%2f..%2fetc%2fpasswd",
        "/v2/models/small%00/ready",
        "//evil.example/",
        "/page.html",
        "/v2/models/",
        "/v2/models/small/infer/",
        "/%ff",
        "/v1/models/" + "a" * 3_000,
    ],
)
def test_paths_lead_to_routes_and_never_to_files(path: str, server: Running) -> None:
    """404 in JSON, also for unknown models; never a file."""
    answer = ask(server, "GET", path)
    assert answer.status in (404, 405)
    assert b"root:" not in answer.body
    assert len(answer.body) < 400


def test_a_wrong_method_is_405(server: Running) -> None:
    """The allowed method is named."""
    answer = ask(server, "GET", INFER)
    assert (answer.status, answer.headers["allow"], answer.error) == (405, "POST", "method GET not allowed here; use POST")
    assert ask(server, "POST", "/v2/health/live").status == 405


@pytest.mark.parametrize("token", ["", "short", "with a space in the middle", "ünicode-token-of-length"])
def test_a_token_that_is_none_is_wrong_usage(token: str, tmp_path: Path) -> None:
    """At least 16 printable ASCII characters; the error says how to make a token, and does not repeat it."""
    path = tmp_path / "token"
    path.write_text(token)
    error = one_line(digits("serve", "small", "--port", 0, "--token-file", path), 2)
    assert "openssl rand" in error or "cannot be read" in error
    assert not token or token not in error


def test_a_path_that_was_asked_before_is_answered_as_the_first_time(server: Running) -> None:
    """Also after more paths than are cached."""
    paths = [("GET", "/v2/models/small"), ("GET", "/v2/models/nano"), ("GET", "/v2/models/none"), ("POST", "/v2/models/small")]
    first = [(ask(server, *path).status, ask(server, *path).body) for path in paths]
    assert [status for status, _ in first] == [200, 200, 404, 405]
    for number in range(300):
        assert ask(server, "GET", f"/v2/models/none-{number}").status == 404
    assert [(ask(server, *path).status, ask(server, *path).body) for path in paths] == first


def test_the_documented_commands_show_the_token_to_nobody(tmp_path: Path) -> None:
    """Files of the token are never readable for others, and no command has the token among its arguments."""
    text = (ROOT / "docs" / "serving.md").read_text()
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ") and "openssl rand" in line]
    assert len(lines) == 2
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (
        ("openssl", "stat -L -c %a /proc/self/fd/1"),
        ("sudo", '"$@"'),
    ):  # the token is its file's mode when written
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    for line in lines:
        path = f"{tools}:{os.environ['PATH']}"
        command = line.replace("/etc/digits", str(tmp_path / "etc"))
        subprocess.run(["sh", "-c", f"umask 022; {command}"], cwd=tmp_path, env={"PATH": path}, check=True)
    assert (tmp_path / "token").read_text() == (tmp_path / "etc" / "token").read_text() == "600\n"
    assert (tmp_path / "header").read_text() == "Authorization: Bearer 600\n"
    assert (tmp_path / "header").stat().st_mode & 0o777 == 0o600
    assert not re.search(r"curl[^\n]*Bearer", text)
