"""TLS by --cert and --key."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import digits, one_line
from tests.conftest import ROOT
from tests.edge_runtime.serving.conftest import received
from tools.studies.serving.load import http_request
from tools.support.waiting import PATIENCE


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key, made as docs/serving.md says."""
    if shutil.which("openssl") is None:
        assert not os.environ.get("CI")
        pytest.skip("no openssl on this machine")
    folder = tmp_path_factory.mktemp("tls")
    (line,) = [line for line in (ROOT / "docs" / "serving.md").read_text().splitlines() if "openssl req" in line]
    command = line.strip().replace("raspberrypi.local", "localhost")
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def port(files: tuple[Path, Path]) -> Iterator[int]:
    """Where a server with the certificate listens."""
    words = ["serve", "nano", "--port", "0", "--cert", str(files[0]), "--key", str(files[1]), "--no-access-log"]
    command = [sys.executable, "-m", "edge_runtime.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stderr
        where = server.stderr.readline().split()[-1]
        assert where.startswith("https://127.0.0.1:")
        yield int(where.rstrip("/").rpartition(":")[2])
        server.terminate()
        assert server.wait(PATIENCE) == 0


@contextlib.contextmanager
def _connected(port: int, cert: Path, lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(cert))
    context.minimum_version = lowest
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        yield connection


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_are_answered_over_tls(version: ssl.TLSVersion, port: int, files: tuple[Path, Path]) -> None:
    """A client that checks the certificate gets answers, several over one connection."""
    with _connected(port, files[0], version) as connection:
        for _ in range(3):
            connection.sendall(http_request("GET", "/v2"))
            assert received(connection, 1).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "begun",
    [
        http_request("POST", "/draw", bytes(1_000), Transfer_Encoding="chunked"),  # two lengths
        b"POST /draw HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
    ids=["refused", "invalid"],
)
def test_a_refusal_of_a_body_under_way_arrives(begun: bytes, port: int, files: tuple[Path, Path]) -> None:
    """Over TLS a connection cannot be half closed; the server reads on instead."""
    with _connected(port, files[0]) as connection:
        connection.sendall(begun)
        first = connection.recv(1)  # the answer is there
        for _ in range(10):  # a closed connection is noticed by what is sent after the first packet to it
            connection.sendall(bytes(100_000))
            time.sleep(0.02)
        assert (first + received(connection, 1)).startswith(b"HTTP/1.1 400 ")


def test_half_open_handshakes_keep_nobody_out(port: int, files: tuple[Path, Path]) -> None:
    """Connections that never begin TLS, break it off, or speak HTTP without it."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)) for _ in range(100)]
        for number, client in enumerate(silent):
            client.sendall((b"", b"\x16\x03\x01", http_request("GET", "/v2"))[number % 3])
        with _connected(port, files[0]) as connection:
            connection.sendall(http_request("GET", "/v2"))
            assert received(connection, 1).startswith(b"HTTP/1.1 200 ")


def test_files_that_are_no_certificate_and_key_are_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    """One line that names the files."""
    cert, key = files
    (tmp_path / "other.pem").write_text("other")
    for words, said in (
        (["--cert", tmp_path / "none.pem"], "none.pem: cannot be used for TLS (No such file or directory)"),
        (["--cert", cert], "cert.pem: cannot be used for TLS"),
        (["--cert", cert, "--key", tmp_path / "other.pem"], "other.pem: cannot be used for TLS"),
        (["--key", key], "key.pem: a key is for a certificate; give that with --cert"),
    ):
        assert said in one_line(digits("serve", "nano", "--port", 0, *words), 2)
