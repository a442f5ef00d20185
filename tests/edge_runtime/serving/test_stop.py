"""Start and stop: messages, exit codes, and no accepted request is lost."""

import contextlib
import http.client
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.cli_options import name_models
from edge_runtime.errors import BadArgument, DigitsError
from edge_runtime.serving.compose import Settings, allowed_hosts
from edge_runtime.serving.http import listener as listening
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.listener import address_of, is_local, listen, listen_at_path
from tests.commands import digits, one_line
from tests.conftest import ROOT
from tests.edge_runtime.serving.conftest import ask, binary_body, connected, received
from tests.edge_runtime.serving.model_files import with_wrong_golden
from tools.studies.serving.load import Running, http_request, served, started
from tools.support.waiting import PATIENCE, until

INFER = "/v2/models/small/infer"
# `digits serve` that gives clients more than a second for their last requests: on a busy machine theirs may be long on the way.
PATIENT = f"""
import sys
from edge_runtime.cli import main
from edge_runtime.serving import server
server._LAST_REQUESTS_SECONDS = {PATIENCE}
sys.argv = ["digits", "serve", "small", "--port", "0", "--no-access-log"]
main()
"""
# `digits serve` whose standard input is its controlling terminal.
AT_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY)
from edge_runtime.cli import main
sys.argv = ["digits", "serve", "nano", "--port", "0", "--no-access-log"]
main()
"""


class _Client(threading.Thread):
    """Sends requests until the server refuses connections; counts responses and lost requests."""

    def __init__(self, server: Running, request: tuple[bytes, dict[str, str]]) -> None:
        super().__init__()
        self._server = server
        self._body, self._headers = request
        self.answered = self.lost = 0

    def run(self) -> None:
        while True:
            connection = http.client.HTTPConnection(self._server.host, self._server.port, timeout=PATIENCE)
            try:
                connection.connect()
            except OSError:
                return
            self._ask_over(connection)
            connection.close()

    def _ask_over(self, connection: http.client.HTTPConnection) -> None:
        """Use a connection for as long as the server keeps it open."""
        open_ = True
        while open_:
            try:
                connection.request("POST", INFER, self._body, self._headers)
                answer = connection.getresponse()
                answer.read()
            except OSError:
                self.lost += 1
                return
            self.answered += answer.status == 200
            self.lost += answer.status != 200
            open_ = answer.getheader("connection") != "close"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_loses_no_request(number: signal.Signals, seven: np.ndarray) -> None:
    """With six busy clients, every accepted request is answered, and the exit code is 0."""
    body, length = binary_body(seven[np.newaxis])
    with started([sys.executable, "-c", PATIENT]) as server:
        clients = [_Client(server, (body, {"Inference-Header-Content-Length": length})) for _ in range(6)]
        for client in clients:
            client.start()
        until(lambda: all(client.answered > 5 or client.lost for client in clients))
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE) == 0
        for client in clients:
            client.join(PATIENCE)
    assert [client.lost for client in clients] == [0] * 6


def test_a_request_under_way_is_answered_before_the_end(seven: np.ndarray) -> None:
    """A request whose body is still arriving is answered; meanwhile the server is not ready."""
    body, length = binary_body(seven[np.newaxis])
    whole = http_request("POST", INFER, body, Inference_Header_Content_Length=length)
    with served("small") as server:
        with connected(server) as connection:
            connection.sendall(whole[:-10])
            until(lambda: b"digits_requests_in_flight 2.0" in ask(server, "GET", "/metrics").body)  # the one that asks is the other
            server.process.send_signal(signal.SIGTERM)
            until(lambda: _takes_no_more(server))
            connection.sendall(whole[-10:])
            answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert server.process.wait(PATIENCE) == 0


def _takes_no_more(server: Running) -> bool:
    try:
        connected(server).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_idle_connection_does_not_keep_the_server() -> None:
    """An idle connection is closed a second after the signal."""
    with served("nano") as server, connected(server) as connection:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        assert connection.recv(10) == b""


def test_two_servers_of_one_port() -> None:
    """The second server exits with 1 and one line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = one_line(digits("serve", "nano", "--port", taken.getsockname()[1]), 1)
    assert "cannot listen" in error
    assert "choose another address with --host and --port" in error


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing.tflite"], 4, "nothing.tflite: cannot be read"),
        (["small", "small"], 2, "two models are named 'small'"),
        (["a b=small"], 2, "name is 'a b'"),
        (["small", "--host", "192.0.2.1"], 1, "192.0.2.1:0: cannot listen"),
        (["small", "--host", "no.such.name.invalid"], 1, "cannot listen"),
        (["small", "--token-file", "nothing"], 2, "nothing: the token cannot be read"),
        (["small", "--backend", "onnx"], 2, "known are litert"),
    ],
)
def test_what_cannot_be_served_is_one_line(words: list[str], code: int, said: str) -> None:
    """One line and the exit code, as for every command."""
    assert said in one_line(digits("serve", *words, "--port", 0), code)


def test_a_model_that_does_other_than_it_states_is_not_served(tmp_path: Path) -> None:
    """Exit code 1, with the result of the verification."""
    path = tmp_path / "wrong.tflite"
    path.write_bytes(with_wrong_golden())
    assert "golden outputs are not reproduced" in one_line(digits("serve", path, "--port", 0), 1)


def test_an_open_address_has_addresses_and_its_own_names_only() -> None:
    """Another site's name is refused there too (DNS rebinding); IP addresses, the machine's names and localhost are not."""
    with served("nano", "--host", "0.0.0.0") as server:
        here, own = Running(server.process, "127.0.0.1", server.port), socket.gethostname()
        for host in ("192.168.7.7:80", "[fe80::1]", own, f"{own.partition('.')[0]}.local:8000", "localhost.", "LOCALHOST"):
            assert ask(here, "GET", "/v2", Host=host).status == 200, host
        for host in ("anything.example", "192.168.7.7.example", "[::1]example", "1234", f"{own}.example", "user@localhost"):
            answer = ask(here, "GET", "/v2", Host=host)
            assert answer.status == 403, host
            assert "--allow-host" in answer.error


def test_names() -> None:
    """A shipped name, a file name without .tflite, or the given name."""
    named = name_models(("small", "runs/cnn/cnn-int8.tflite", "best=runs/x.tflite", "other=base"))
    assert {name: str(path) for name, path in named.items()} == {
        "small": "small",
        "cnn-int8": "runs/cnn/cnn-int8.tflite",
        "best": "runs/x.tflite",
        "other": "base",
    }
    folders = name_models(("runs/lr=0.01/cnn.tflite", "best=runs/lr=0.1/cnn.tflite", "./x=y/nano.tflite"))
    assert {name: str(path) for name, path in folders.items()} == {
        "cnn": "runs/lr=0.01/cnn.tflite",
        "best": "runs/lr=0.1/cnn.tflite",
        "nano": "x=y/nano.tflite",
    }
    with pytest.raises(BadArgument, match="two models are named 'x'"):
        name_models(("a/x.tflite", "b/x.tflite"))


def test_allowed_names() -> None:
    """Allowed names: localhost, the machine's, the bound and the given ones."""
    own = socket.gethostname().lower()
    names = {"localhost", own, own.partition(".")[0], own.partition(".")[0] + ".local"}
    assert allowed_hosts(Settings({}, "0.0.0.0", 0, 1)) == {*names, "0.0.0.0"}
    assert allowed_hosts(Settings({}, "127.1", 0, 1, allowed_hosts=("Pi.lan",))) == {*names, "127.1", "pi.lan"}


def _fakes(*addresses: str) -> list[tuple[object, ...]]:
    """What getaddrinfo returns for a name with these addresses."""
    families = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses}
    return [
        (family, socket.SOCK_STREAM, 6, "", (address, 0, 0, 0) if ":" in address else (address, 0))
        for address, family in families.items()
    ]


def test_all_addresses_of_a_name_are_listened_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """At one port; an address that the machine does not have is left out."""
    found = _fakes("127.0.0.1", "192.0.2.1", "127.0.0.3")
    monkeypatch.setattr(listening.socket, "getaddrinfo", lambda *_, **__: found)
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in listen("pi.lan", 0)]
        names = [listener.getsockname() for listener in listeners]
        assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.3"]
        assert len({port for _, port in names}) == 1
        for listener in listeners:
            listener.listen()
        with pytest.raises(DigitsError, match="choose another address"):
            listen("pi.lan", names[0][1])
    monkeypatch.setattr(listening.socket, "getaddrinfo", lambda *_, **__: _fakes("192.0.2.1"))
    with pytest.raises(DigitsError, match=r"192\.0\.2\.1:0: cannot listen"):
        listen("192.0.2.1", 0)


def test_a_printed_address_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a listener on all interfaces that of the network, or loopback without one."""
    for host, own, said in (
        ("127.0.0.1", None, "127.0.0.1"),
        ("0.0.0.0", "192.168.7.7", "192.168.7.7"),
        ("0.0.0.0", None, "127.0.0.1"),
    ):
        monkeypatch.setattr(listening, "_own_address", lambda own=own: own)
        with contextlib.closing(listen(host, 0)[0]) as listener:
            assert address_of(listener) == f"http://{said}:{listener.getsockname()[1]}/"
            assert is_local(listener) == (host == "127.0.0.1")
            assert address_of(listener, "https").startswith("https://")


def test_a_server_on_all_interfaces_says_an_address_that_answers() -> None:
    """The last word of its line, as a browser takes it."""
    with served("nano", "--host", "0.0.0.0") as server:
        assert server.host != "0.0.0.0"
        assert ask(server, "GET", "/v2").status == 200


def test_a_unix_socket_is_listened_at(tmp_path: Path) -> None:
    """Any local user may connect; a socket left behind is replaced, a listener or another file is not; it is gone afterwards."""
    path = tmp_path / "digits.sock"
    listen_at_path(path).close()
    command = [sys.executable, "-m", "edge_runtime.cli", "serve", "nano", "--uds", str(path), "--no-access-log"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stderr
        assert server.stderr.readline() == f"digits: serving nano at unix:{path}\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(path))
            client.sendall(http_request("GET", "/v2"))
            assert received(client, 1).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(DigitsError, match="--uds"):
            listen_at_path(path)
        server.terminate()
        assert server.wait(PATIENCE) == 0
    assert not path.exists()
    path.write_text("other")
    with pytest.raises(DigitsError, match="Address already in use"):
        listen_at_path(path)
    assert "leave out --host and --port" in one_line(digits("serve", "nano", "--uds", path, "--port", 1), 2)


def test_the_end_of_its_terminal_stops_it() -> None:
    """As closing the window does; SIGHUP alone reloads."""
    terminal, side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL], stdin=side, stdout=side, stderr=side, start_new_session=True
    ) as process:
        os.close(side)
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            printed = b""
            while b"serving nano at " not in printed:
                printed += screen.read(1024)
            port = int(printed.decode().split()[-1].rstrip("/").rpartition(":")[2])
            process.send_signal(signal.SIGHUP)
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                client.sendall(http_request("GET", "/v2"))
                assert received(client, 1).startswith(b"HTTP/1.1 200 ")
        assert process.wait(PATIENCE) == 0


def test_limits_are_positive() -> None:
    """A limit of zero would answer no request."""
    with pytest.raises(BadArgument, match="limit requests is 0"):
        Limits(requests=0)


def test_an_open_address_is_a_qr_code_on_a_terminal() -> None:
    """For a phone; not in a log, and not for an address that no phone can open."""
    terminal, side = pty.openpty()
    code = AT_TERMINAL.replace('"nano"', '"nano", "--host", "0.0.0.0"')
    assert code != AT_TERMINAL
    with subprocess.Popen([sys.executable, "-c", code], stdin=side, stdout=side, stderr=side, start_new_session=True) as process:
        os.close(side)
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            printed = b""
            while printed.count("█".encode()) < 100:
                printed += screen.read(1024)
            assert b"serving nano at http://" in printed
        assert process.wait(PATIENCE) == 0
