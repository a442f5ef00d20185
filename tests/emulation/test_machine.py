"""An emulated Raspberry Pi as a whole machine, reached by SSH: `make test-machine`.

What user emulation cannot show: systemd runs the unit of docs/ with all its hardening, and the plug is pulled while files are written and
models deployed.
"""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from edge_runtime.model.model_file import MODELS
from tests.commands import digits

from .boards import CHECKOUT, HERE
from .virtual_machine import VirtualMachine
from .vm_image import HOST_ALIAS, SITE, USER, VENV, make_image

pytestmark = pytest.mark.machine

HOST = f"{USER}@{HOST_ALIAS}"
INSTALLED = f"/home/{USER}/.local/share/digits/current/bin"
DEPLOYED = f"/home/{USER}/.local/share/digits/models"
PICTURES = 4
CUTS = 1
LIBRARY = "/usr/lib/aarch64-linux-gnu/libstdc++.so.6"


@pytest.fixture(scope="session")
def pictures(mnist: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of test digits, 0.png to 3.png."""
    folder = tmp_path_factory.mktemp("pictures") / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        Pillow.fromarray(mnist.x_test[number]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def machine(project_wheel: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """A machine that all tests share, with the pictures in /srv. What they change they change back; its disk lasts over power cuts."""
    machine = VirtualMachine(make_image(), tmp_path_factory.mktemp("machine"))
    machine.start()
    try:
        machine.copy(project_wheel, "/root/")
        machine.run([f"{VENV}/bin/python", "-m", "zipfile", "-e", f"/root/{project_wheel.name}", SITE])
        machine.copy(pictures, "/srv/")
        yield machine
    finally:
        machine.power_cut()


@pytest.fixture(scope="session")
def laptop(machine: VirtualMachine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a laptop whose ssh knows the machine as pi@raspberrypi, with a home folder of its own; those of the user are empty."""
    home = tmp_path_factory.mktemp("laptop")
    (home / "bin").mkdir()
    ssh = home / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh", path="/usr/bin:/bin")} -F "{machine.ssh_config}" "$@"\n')
    ssh.chmod(0o755)
    empty = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "EDGE_DIGITS_BOARDS"), "")
    return {**empty, "PATH": f"{home / 'bin'}:/usr/bin:/bin", "HOME": str(home)}


@pytest.fixture(scope="session")
def prepared(machine: VirtualMachine, laptop: dict[str, str]) -> VirtualMachine:
    """The machine after `digits boards setup`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in laptop.items():
            patch.setenv(name, value)
        answer = digits("boards", "setup", HOST, "--timeout", 3000)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"{HOST}: passed: "), answer.out
    return machine


@pytest.fixture
def board(prepared: VirtualMachine, laptop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> VirtualMachine:
    """The same, for a test on the laptop."""
    for name, value in laptop.items():
        monkeypatch.setenv(name, value)
    return prepared


def _json(*words: object) -> Any:
    answer = digits(*words)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_it_is_a_machine_of_its_own(machine: VirtualMachine) -> None:
    """64-bit ARM with systemd as its first process; a user who is not root can log in."""
    assert machine.run(["uname", "-m"], user=USER).strip() == "aarch64"
    assert machine.run(["cat", "/proc/1/comm"]).strip() == "systemd"
    assert machine.run(["id", "-un"], user=USER).strip() == USER


def test_commands_on_the_board(board: VirtualMachine, mnist: Any, pictures: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """No problem, the golden answers, the right labels, and a measurement whose results come here."""
    monkeypatch.chdir(tmp_path)
    findings = _json("doctor", "--json", "--on", HOST)["findings"]
    assert [found for found in findings if found["level"] == "problem"] == []
    assert _json("verify", "--json", "--on", HOST)["passed"] is True
    answer = digits("classify", pictures, "--json", "--on", HOST)
    assert [json.loads(line)["label"] for line in answer.out.splitlines()] == [str(label) for label in mnist.y_test[:PICTURES]]
    answer = digits("bench", "small", "--samples", "20", "--starts", "1", "--on", HOST)
    assert answer.code == 0, answer.err
    assert re.search(r"^small on .* \(as proven at conversion; 16 of 16 golden images equal here\)", answer.out, re.MULTILINE), (
        answer.out
    )
    assert json.loads(next(tmp_path.rglob("*.json")).read_text())


def test_a_deployment_and_back(board: VirtualMachine) -> None:
    """The link leads to the new version, then to the former one."""
    shipped, other = (MODELS / f"{name}-int8.tflite" for name in ("nano", "small"))
    for path in (shipped, other):
        answer = digits("deploy", f"digit={path}", "--on", HOST)
        assert answer.code == 0, answer.err + answer.out
        assert _deployed(board) == sha256(path.read_bytes()).hexdigest()
    assert digits("deploy", "--rollback", "--on", HOST).code == 0
    assert _deployed(board) == sha256(shipped.read_bytes()).hexdigest()
    assert sha256(shipped.read_bytes()).hexdigest() in json.dumps(_json("boards", "status", HOST, "--json"))


def _deployed(machine: VirtualMachine) -> str:
    return machine.run(["sha256sum", f"{DEPLOYED}/digit.tflite"], user=USER).split()[0]


@pytest.mark.parametrize("ends", ["power cut", "reboot"])
def test_a_deployment_that_the_board_does_not_survive(ends: str, board: VirtualMachine) -> None:
    """At some moment of it the board goes: afterwards it has the old version or the new one, whole, and the next deployment passes."""
    old, new = (MODELS / f"{name}-int8.tflite" for name in ("nano", "base"))
    assert digits("deploy", f"cut={old}", "--on", HOST).code == 0
    moments, seen = random.Random(ends), set()
    for _ in range(CUTS):
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", "edge_runtime.cli", "deploy", f"cut={new}", "--on", HOST]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as deploying:
            with contextlib.suppress(subprocess.TimeoutExpired):
                deploying.wait(moments.uniform(0, 20))
            if ends == "reboot":
                board.reboot()
            else:
                board.power_cut()
                board.start()
            deploying.terminate()
        path = f"{DEPLOYED}/cut.tflite"
        seen.add(board.run(["sha256sum", path], user=USER).split()[0])
        board.run([f"{INSTALLED}/digits", "verify", path], user=USER)
    assert seen <= {sha256(path.read_bytes()).hexdigest() for path in (old, new)}
    answer = digits("deploy", f"cut={new}", "--on", HOST)
    assert answer.code == 0, answer.err + answer.out


def test_a_missing_system_library_is_named(board: VirtualMachine) -> None:
    """Without libstdc++6, as on a small Debian, numpy cannot be imported: doctor and verify name the library and its package."""
    board.run(["mv", LIBRARY, f"{LIBRARY}.away"])
    try:
        doctor, verify = digits("doctor", "--json", "--on", HOST), digits("verify", "--on", HOST)
    finally:
        board.run(["mv", f"{LIBRARY}.away", LIBRARY])
    (numpy,) = [found for found in json.loads(doctor.out)["findings"] if found["subject"] == "numpy"]
    assert (numpy["level"], numpy["mend"]) == ("problem", "sudo apt install libstdc++6")
    assert verify.code == 1
    assert "numpy is installed but cannot be imported (libstdc++.so.6: " in verify.err
    assert "sudo apt install libstdc++6" in verify.err


@pytest.fixture
def service(machine: VirtualMachine) -> Iterator[VirtualMachine]:
    """The machine with the service started by the lines of docs/serving.md."""
    machine.copy(CHECKOUT / "docs" / "digits-serve.service", "/root/")
    page = (CHECKOUT / "docs" / "serving.md").read_text()
    lines = [line.strip() for line in page.splitlines() if re.match(r" {4}sudo .*(/etc/digits|digits-serve)", line)]
    assert len(lines) == 4
    for line in lines[:3]:
        machine.run(["sh", "-c", f'sudo() {{ "$@"; }}; cd /root && ln -sfn . docs && {line}'])
    yield machine
    machine.ssh(["systemctl", "disable", "--now", "digits-serve"])


def test_the_service_runs_hardened_and_comes_back(service: VirtualMachine, pictures: Path, mnist: Any) -> None:
    """It answers over HTTP, as a user without rights, and again after it was killed."""
    token = service.run(["cat", "/etc/digits/token"]).strip()
    assert _until(lambda: _asked(service, token, pictures / "0.png")) == str(mnist.y_test[0])
    first = _process(service)
    status = service.run(["cat", f"/proc/{first}/status"])
    found = {name: re.search(rf"^{name}:\s+(\S+)", status, re.MULTILINE) for name in ("Uid", "NoNewPrivs", "Seccomp", "CapEff")}
    values = {name: match[1] for name, match in found.items() if match}
    assert values.pop("Uid") != "0"
    assert values == {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16}
    service.run(["systemctl", "kill", "--signal=SIGKILL", "digits-serve"])
    assert _until(lambda: _process(service) not in (first, "0") and _asked(service, token, pictures / "1.png")) == str(
        mnist.y_test[1]
    )
    assert service.run(["systemctl", "show", "--property=NRestarts", "--value", "digits-serve"]).strip() == "1"


def _process(machine: VirtualMachine) -> str:
    return machine.run(["systemctl", "show", "--property=MainPID", "--value", "digits-serve"]).strip()


def _asked(machine: VirtualMachine, token: str, picture: Path) -> str | None:
    """The label that the service answers; None while it does not."""
    address = f"http://127.0.0.1:{machine.http_port}/classify"
    request = urllib.request.Request(address, picture.read_bytes(), {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            label: str = json.load(response)["label"]
            return label
    except OSError:
        return None


def _until(answer: Callable[[], Any], seconds: float = 300) -> Any:
    """What a function returns, as soon as it returns something."""
    end = time.monotonic() + seconds
    while not (found := answer()) and time.monotonic() < end:
        time.sleep(1)
    return found


def test_a_power_cut_leaves_whole_files(machine: VirtualMachine) -> None:
    """Of `classify --out` all of it once the command has ended; of files that are being replaced the old one or the new one."""
    machine.run([f"{VENV}/bin/digits", "classify", "/srv/pictures/*.png", "--out", "/root/labels.csv", "--force"])
    labels = machine.run(["cat", "/root/labels.csv"])
    assert labels.count("\n") == 1 + PICTURES
    machine.run(["rm", "-rf", "/root/replaced"])
    machine.copy(HERE / "replace_files.py", "/root/")
    machine.run(["sync"])
    command = machine.command([f"{VENV}/bin/python", "/root/replace_files.py", "/root/replaced"])
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        told = [int(writing.stdout.readline()) for _ in range(50)]
        machine.power_cut()
        told += [int(line) for line in writing.stdout.read().split()]
    machine.start()
    assert machine.run(["cat", "/root/labels.csv"]) == labels
    found = json.loads(machine.run([f"{VENV}/bin/python", "/root/replace_files.py", "/root/replaced", "--check"]))
    written = {number % len(found): number for number in told}
    assert set(found) == {str(position) for position in written}
    for position, last in written.items():  # a write that was not told may have ended too
        assert found[str(position)] in (last, last + len(found)), position
