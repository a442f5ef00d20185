"""Operation of the server: metrics, log, systemd."""

import ctypes
import fcntl
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_runtime.model.model_file import read_model_file
from edge_runtime.serving.cli import serve_command
from edge_runtime.serving.http.access import Access
from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.guard import Guard
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.systemd import sd_notify
from tests.conftest import ROOT
from tests.edge_runtime.serving.conftest import SEVEN_STROKES, ask, connected, label_of, received
from tools.studies.serving.load import Running, served, started
from tools.support.waiting import PATIENCE

UNIT = (ROOT / "docs" / "digits-serve.service").read_text()
HARDENED = """
import ctypes, sys
# PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN, what systemd's MemoryDenyWriteExecute does where the kernel has it.
refused = ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0)
if refused:
    sys.exit("no PR_SET_MDWE")
sys.argv = ["digits", "serve", "small", "--port", "0"]
from edge_runtime.cli import main
main()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server for this module's requests only, without periodic checks."""
    with served("small", "nano", "--check-seconds", "0") as running:
        yield running


def _metrics(server: Running) -> dict[str, dict[tuple[str, ...], float]]:
    answer = ask(server, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_metrics_count_requests(server: Running) -> None:
    """By route and status, with a histogram of seconds; unknown paths share one label."""
    before = _metrics(server)
    for _ in range(3):
        ask(server, "POST", "/draw", {"strokes": SEVEN_STROKES})
    ask(server, "POST", "/draw", {"strokes": []})
    ask(server, "GET", "/some/where")
    after = _metrics(server)

    def rise(name: str, *labels: str) -> float:
        return after[name][labels] - before.get(name, {}).get(labels, 0)

    assert rise("digits_requests_total", "/draw", "200") == 3
    assert rise("digits_requests_total", "/draw", "400") == 1
    assert rise("digits_requests_total", "other", "404") == 1
    assert rise("digits_request_seconds_count", "/draw") == 4
    assert rise("digits_model_seconds_count", "small") == 3
    assert after["digits_requests_in_flight"][()] == 1  # the one that asks
    assert after["digits_worker_queue"][()] == 0
    assert "/some/where" not in str(after)


def test_metrics_name_the_models(server: Running) -> None:
    """The hash of the served model, its health, and the memory of the process."""
    found = _metrics(server)
    assert found["digits_model_info"][("small", "static_wi8_ai8", read_model_file().sha256)] == 1
    assert found["digits_model_healthy"] == {("small",): 1, ("nano",): 1}
    assert found["digits_ready"][()] == 1
    assert found["process_resident_memory_bytes"][()] > 1e7


def test_each_request_is_a_line_of_json(tmp_path: Path) -> None:
    """Client, path, status, time, sizes; a path cannot break or forge a line; the token is not logged."""
    token = "t" * 20
    log = tmp_path / "log"
    command = [sys.executable, "-m", "edge_runtime.cli", "serve", "nano", "--port", "0"]
    with log.open("w") as stream:
        child = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.PIPE, text=True, env={**os.environ, "DIGITS_TOKEN": token}, cwd=ROOT
        )
        assert child.stderr
        port = int(child.stderr.readline().rstrip("/\n").rpartition(":")[2])
        running = Running(child, "127.0.0.1", port)
        ask(running, "GET", '/x%0a{"event":"forged"}"', Authorization=f"Bearer {token}")
        answer = ask(running, "POST", "/draw", {"strokes": SEVEN_STROKES}, Authorization=f"Bearer {token}")
        _ask_nonsense(running)
        child.terminate()
        child.stderr.close()
        assert child.wait(PATIENCE) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["request", "request", "warning", "stopping", "stopped"]
    first, second = lines[:2]
    assert (first["method"], first["status"], first["client"]) == ("GET", 404, "127.0.0.1")
    assert "forged" in first["path"]
    assert (second["path"], second["status"], second["bytes_in"]) == ("/draw", 200, len(json.dumps({"strokes": SEVEN_STROKES})))
    assert second["milliseconds"] > 0
    assert second["bytes_out"] == len(answer.body)
    assert token not in log.read_text()


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    """A closed pipe ends the log, not the server."""

    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    log = JsonLog(Closed())
    log.event("one")
    log.event("two")


def test_a_log_that_nobody_reads_in_time_holds_up_nothing() -> None:
    """A full pipe drops lines; their number is logged once there is space again."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 2**16)  # where pages are larger, so are pipes
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", buffering=0) as reader:
        log = JsonLog(stream)
        for number in range(3_000):
            log.event("tick", number=number)
        first = reader.read(2**20).splitlines()
        log.event("last")
        left_out, last = map(json.loads, reader.read(2**20).splitlines())
    assert [json.loads(line)["number"] for line in first] == list(range(len(first)))
    assert (left_out["event"], left_out["lines"]) == ("left out", 3_000 - len(first))
    assert 0 < left_out["lines"] < 3_000
    assert last["event"] == "last"


def test_a_full_disk_ends_the_log_for_as_long_as_it_is_full() -> None:
    """Neither the server nor the log ends for good."""
    with open("/dev/full", "w") as full, open("/dev/null", "w") as empty:  # noqa: PTH123
        log = JsonLog(full)
        log.event("one")
        log.event("two")
        os.dup2(empty.fileno(), full.fileno())
        log.event("three")
    assert log._dropped == 0


def test_a_server_whose_log_is_not_read_answers_and_stops() -> None:
    """The reader does not read: more requests than lines fit the pipe, then SIGTERM."""
    command = [sys.executable, "-m", "edge_runtime.cli", "serve", "nano", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stderr
        running = Running(child, "127.0.0.1", int(child.stderr.readline().rstrip("/\n").rpartition(":")[2]))
        for _ in range(1_200):
            assert ask(running, "GET", "/v2/health/live").status == 200
        child.terminate()
        assert child.wait(PATIENCE) == 0


def _ask_nonsense(server: Running) -> None:
    with connected(server) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 400 ")


def test_refusals_are_counted_by_route(server: Running) -> None:
    """Requests refused before routing have their route too; connections without a request are counted."""
    before = _metrics(server)
    ask(server, "POST", "/v2/models/small/infer", b"", Content_Encoding="gzip")
    ask(server, "GET", "/v2/models/small/infer")
    _ask_nonsense(server)
    after = _metrics(server)

    def rise(name: str, *labels: str) -> float:
        return after[name].get(labels, 0) - before.get(name, {}).get(labels, 0)

    assert rise("digits_requests_total", "/v2/models/{model}/infer", "415") == 1
    assert rise("digits_requests_total", "/v2/models/{model}/infer", "405") == 1
    assert rise("digits_connections_cut_total", "invalid") == 1


def test_failures_are_logged_with_their_traceback_and_told_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gets no details; the log has the traceback."""
    import asyncio

    class Broken:
        async def __call__(self, scope: object, receive: object, send: object) -> None:
            raise KeyError("secret")

        def pattern(self, scope: object) -> str:
            return "/x"

    async def run() -> list[dict[str, object]]:
        sent: list[dict[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {"method": "GET", "path": "/x", "raw_path": b"/x", "headers": [(b"host", b"localhost")], "query_string": b""}
        limits, log = Limits(), JsonLog(stream, requests=False)
        guard = Guard(Broken(), limits, Access(), AdmissionControl(limits), log, lambda *_: None)
        await guard(scope, None, send)  # type: ignore[arg-type]
        return sent

    stream = io.StringIO()
    start, body = asyncio.run(run())
    assert start["status"] == 500
    assert b"secret" not in body["body"]  # type: ignore[operator]
    assert "KeyError: 'secret'" in json.loads(stream.getvalue())["text"]


def test_systemd_is_told(tmp_path: Path) -> None:
    """READY at the start, WATCHDOG every second while the models are healthy, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(PATIENCE)
        with served("nano", environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as server:
            assert receiver.recv(100) == b"READY=1"
            assert ask(server, "GET", "/v2/health/ready").status == 200
            assert receiver.recv(100) == b"WATCHDOG=1"
        said = {receiver.recv(100)}
        while b"STOPPING=1" not in said:
            said.add(receiver.recv(100))
        assert said <= {b"WATCHDOG=1", b"STOPPING=1"}


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a socket, or with one that does not exist."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    sd_notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nothing/there")
    sd_notify("READY=1")


def test_the_unit_is_well_formed() -> None:
    """systemd-analyze finds no error but the missing program, and rates the exposure as low."""
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI")
        pytest.skip("no systemd on this machine")
    unit = ROOT / "docs" / "digits-serve.service"
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert [line for line in verified.stderr.splitlines() if "/opt/digits/bin/digits is not executable" not in line] == []
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True
    )
    assert rated.returncode == 0, rated.stdout[-300:]


def test_the_unit_calls_the_command_as_it_is() -> None:
    """Every option of ExecStart exists."""
    (line,) = re.findall(r"^ExecStart=/opt/digits/bin/digits serve (.*)$", UNIT, re.MULTILINE)
    known = {option for parameter in serve_command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", line)) <= known


def test_it_runs_where_memory_may_not_become_code(seven) -> None:
    """Serving works under the unit's restrictions that could break an interpreter."""
    if ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) < 0:  # PR_GET_MDWE
        pytest.skip("this kernel, older than 6.3, cannot deny it")
    with started([sys.executable, "-c", HARDENED]) as server:
        assert label_of(server, seven) == "7"
