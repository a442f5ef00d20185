"""`digits doctor`: what it reads, what it concludes, and that a crash of an interpreter is a finding."""

import configparser
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.common.packages import pip_install
from edge_runtime.device.probes import BROKEN, CRASHED, LIBRARIES, MISSING, REFUSES, WORKS, WRONG, Probe, probe, probe_library
from edge_runtime.device.remedies import wheels
from edge_runtime.device.rules import NOTE, OK, PROBLEM, Finding, diagnose
from edge_runtime.device.system import System, processor_name, read_system
from edge_runtime.inference.interpreter import BACKENDS
from edge_runtime.model.model_file import read_model_file
from tests.commands import digits
from tests.conftest import ROOT
from tools.support.waiting import PATIENCE

PI = System(
    python=(3, 11, 2),
    machine="aarch64",
    bits=64,
    libc="glibc 2.36",
    cpu="Raspberry Pi 4 Model B Rev 1.4",
    cores=4,
    flags=frozenset({"asimd"}),
    packages={"numpy": "1.24.2", "ai-edge-litert": "2.3.0"},
    venv="/home/pi/digits",
    pip_install="~/digits/bin/python -m pip install",
    board="Raspberry Pi 4 Model B Rev 1.4",
    memory_kib=(4_000_000, 3_000_000),
    governor="performance",
    temperature=45.0,
    throttled=0,
    debian=True,
    cameras={},
    debian_picamera2=False,
    picamera2=False,
    opencv=False,
)
PIP = PI.pip_install + " "
NEEDS = {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}


def _probes(**outcomes: tuple[str, str, str]) -> list[Probe]:
    """Of all backends: (outcome, version, text) by name; the others are missing."""
    return [
        Probe(name, backend.package, *(outcomes[name][1], outcomes[name][0], outcomes[name][2]))
        if name in outcomes
        else Probe(name, backend.package, "", MISSING, "")
        for name, backend in BACKENDS.items()
    ]


GOOD = _probes(litert=(WORKS, "2.3.0", "16 of 16"))
NUMPY_2 = _probes(tflite=(BROKEN, "2.14.0", "module compiled against numpy 1"))


def _problems(probes: list[Probe] = GOOD, minimum: dict[str, str] = NEEDS, **facts: object) -> list[Finding]:
    return [found for found in diagnose(dataclasses.replace(PI, **facts), probes, minimum) if found.level == PROBLEM]


def test_a_good_board_has_no_problem() -> None:
    """Nor a note."""
    assert {found.level for found in diagnose(PI, GOOD, NEEDS)} == {OK}


@pytest.mark.parametrize(
    ("probes", "facts", "subject", "message", "mend"),
    [
        (NUMPY_2, {"packages": {"numpy": "2.1.0", "tflite-runtime": "2.14.0"}}, "tflite-runtime", "built for numpy 1", "'numpy<2'"),
        (NUMPY_2, {"python": (3, 12, 1)}, "tflite-runtime", "no wheel for Python 3.12", "'.[litert]'"),
        (_probes(), {}, "interpreter", "none is installed", "'.[litert]'"),
        (_probes(), {"bits": 32, "machine": "armv7l"}, "interpreter", "none is installed", "'.[tflite]'"),
        (_probes(), {"bits": 32}, "interpreter", "none is installed", "'.[tflite]'"),
        (_probes(), {"bits": 32, "python": (3, 13, 0)}, "interpreter", "no", "64-bit system"),
        (_probes(), {"bits": 32, "machine": "armv6l"}, "interpreter", "ARMv6", "Raspberry Pi 2"),
        (_probes(), {"bits": 32, "machine": "i686"}, "interpreter", "32-bit Python 3.11", "64-bit system"),
        (_probes(), {"machine": "riscv64"}, "interpreter", "riscv64", "x86-64 or ARM"),
        (_probes(), {"libc": "musl 1.2"}, "interpreter", "musl", "glibc"),
        (_probes(litert=(CRASHED, "", "was ended by SIGILL")), {}, "ai-edge-litert", "SIGILL", "'.[tflite]'"),
        (
            _probes(litert=(CRASHED, "", "SIGILL")),
            {"python": (3, 13, 0)},
            "ai-edge-litert",
            "SIGILL",
            "--force-reinstall ai-edge-litert",
        ),
        (_probes(litert=(WRONG, "2.3.0", "9 of 16")), {}, "ai-edge-litert", "only 9 of 16", "digits verify"),
        (_probes(litert=(WORKS, "1.0.1", "")), {}, "model", "1.4.0 or newer, but 1.0.1 is installed", "'ai-edge-litert>=1.4.0'"),
        (GOOD, {"python": (3, 9, 2)}, "Python", "3.11 or newer", "Bookworm"),
        (GOOD, {"memory_kib": (440_000, 50_000)}, "memory", "49 of 430 MiB", "end other programs"),
        (GOOD, {"temperature": 84.2}, "temperature", "84 degrees", "fan"),
        (GOOD, {"throttled": 0x50005}, "throttling", "now: under-voltage, throttled", "power supply"),
    ],
)
def test_a_problem_is_found_with_what_mends_it(
    probes: list[Probe], facts: dict[str, object], subject: str, message: str, mend: str
) -> None:
    """Each of those that people run into."""
    (found,) = [problem for problem in _problems(probes, **facts) if problem.subject == subject]
    assert message in found.text
    assert mend in found.remedy


ARMV7: dict[str, object] = {"machine": "armv7l", "bits": 32}
ONLY_LITERT = {"ai-edge-litert": "2.1.3"}
TFLITE_REFUSES = _probes(tflite=(REFUSES, "2.14.0", "cannot run it (Didn't find op)"))
CONVERT = "where the model is made: digits convert model.keras --runs-on "


@pytest.mark.parametrize(
    ("probes", "minimum", "facts", "subject", "mend"),
    [
        (_probes(tflite=(WORKS, "2.14.0", "")), ONLY_LITERT, {}, "model", PIP + "'ai-edge-litert>=2.1.3'"),
        (_probes(tflite=(WORKS, "2.14.0", "")), ONLY_LITERT, ARMV7, "model", CONVERT + "armv7"),
        (TFLITE_REFUSES, ONLY_LITERT, ARMV7, "tflite-runtime", CONVERT + "armv7"),
        (TFLITE_REFUSES, ONLY_LITERT, {}, "tflite-runtime", PIP + "'ai-edge-litert>=2.1.3'"),
        (_probes(litert=(REFUSES, "1.4.0", "")), ONLY_LITERT, {}, "ai-edge-litert", PIP + "'ai-edge-litert>=2.1.3'"),
        (
            _probes(litert=(REFUSES, "1.4.0", "")),
            {**ONLY_LITERT, "tflite-runtime": "2.14.0"},
            {},
            "ai-edge-litert",
            PIP + "'ai-edge-litert>=2.1.3'",
        ),
        (_probes(litert=(WRONG, "1.4.0", "")), ONLY_LITERT, {}, "ai-edge-litert", PIP + "'ai-edge-litert>=2.1.3'"),
        (
            _probes(litert=(REFUSES, "2.3.0", "")),
            {"tflite-runtime": "2.14.0"},
            {"python": (3, 13, 1)},
            "ai-edge-litert",
            CONVERT + "aarch64",
        ),
        (
            _probes(litert=(REFUSES, "2.3.0", "")),
            {"tflite-runtime": "2.14.0"},
            {"python": (3, 13, 1), "machine": "x86_64"},
            "ai-edge-litert",
            CONVERT + "'ai-edge-litert>=1.4'",
        ),
        # It should run: the interpreter is not whole. The other one is of no use if the model is not for it.
        (_probes(litert=(REFUSES, "2.3.0", "")), ONLY_LITERT, {}, "ai-edge-litert", PIP + "--force-reinstall ai-edge-litert"),
        (_probes(litert=(REFUSES, "2.3.0", "")), NEEDS, {}, "ai-edge-litert", PIP + "'.[tflite]'"),
    ],
)
def test_a_model_for_another_runtime_is_a_problem(
    probes: list[Probe], minimum: dict[str, str], facts: dict[str, object], subject: str, mend: str
) -> None:
    """Whether it is refused, runs unproven or wrongly: what mends it is a wheel that there is, or a model for this device."""
    (found,) = _problems(probes, minimum, **facts)
    assert (found.subject, found.remedy) == (subject, mend)


def test_what_a_second_interpreter_refuses_is_a_note() -> None:
    """The first one that is installed answers."""
    probes = _probes(litert=(WORKS, "2.3.0", "16 of 16"), tflite=(REFUSES, "2.14.0", "cannot run it"))
    assert _problems(probes, ONLY_LITERT) == []


DEBIANS_VENV = "python3 -m venv --system-site-packages /home/pi/digits"
BLAS = "cannot be imported (libopenblas.so.0: cannot open shared object file)"
JPEG_2000 = "cannot be imported (libopenjp2.so.7: cannot open shared object file)"


@pytest.mark.parametrize(
    ("package", "outcome", "text", "facts", "mend"),
    [
        ("numpy", BROKEN, BLAS, {}, "sudo apt install libopenblas0"),
        ("numpy", BROKEN, BLAS, {"debian": False}, PIP + "--force-reinstall numpy"),
        ("numpy", CRASHED, "was ended by SIGILL", {}, PIP + "--force-reinstall numpy"),
        ("numpy", BROKEN, "", {"packages": {"tflite-runtime": "2.14.0"}}, PIP + "--force-reinstall 'numpy<2'"),
        ("numpy", MISSING, "", ARMV7, "sudo apt install --reinstall python3-numpy && " + DEBIANS_VENV),
        ("numpy", BROKEN, "cannot be imported (libstdc++.so.6: cannot open shared object file)", {}, "sudo apt install libstdc++6"),
        (
            "Pillow",
            BROKEN,
            "cannot be imported (libjpeg.so.62: cannot open shared object file)",
            {},
            "sudo apt install libjpeg62-turbo",
        ),
        ("Pillow", BROKEN, JPEG_2000, {}, "sudo apt install libopenjp2-7"),
        ("Pillow", BROKEN, JPEG_2000, ARMV7, "sudo apt install libopenjp2-7"),
        ("Pillow", MISSING, "is not installed", {}, PIP + "--force-reinstall Pillow"),
    ],
)
def test_a_broken_library_is_a_problem(package: str, outcome: str, text: str, facts: dict[str, object], mend: str) -> None:
    """Of the system's libraries that a wheel of the Raspberry Pi's index expects, Debian's package is named."""
    libraries = [Probe(package, package, "1.0", outcome, text)]
    probes = [] if package == "numpy" else GOOD
    findings = diagnose(dataclasses.replace(PI, **facts), probes, NEEDS, libraries)
    (found,) = [found for found in findings if found.level == PROBLEM]
    assert (found.subject, found.remedy) == (package, mend)
    assert text in found.text


@pytest.mark.parametrize(
    ("facts", "subject", "message"),
    [
        ({"bits": 32}, "platform", "32-bit system on a 64-bit kernel"),
        ({"governor": "ondemand"}, "governor", "take longer"),
        ({"temperature": 72.0}, "temperature", "72"),
        ({"throttled": 0x40000}, "throttling", "since boot: throttled"),
        ({"cameras": {"/dev/video0": "unicam-image"}}, "camera", "/dev/video0 (unicam-image), without picamera2"),
        ({"cameras": {"/dev/video0": "USB Camera"}}, "camera", "/dev/video0 (USB Camera)"),
        ({"cameras": {"/dev/video0": ""}, "board": ""}, "camera", "/dev/video0"),
        ({"debian_picamera2": True}, "camera", "not visible in this venv"),
    ],
)
def test_what_could_be_better_is_a_note(facts: dict[str, object], subject: str, message: str) -> None:
    """With a command, and without an exit code."""
    notes = [found for found in diagnose(dataclasses.replace(PI, **facts), GOOD, NEEDS) if found.level == NOTE]
    assert [(found.subject, message in found.text, bool(found.remedy)) for found in notes] == [(subject, True, True)]


def test_the_wheels_that_fit() -> None:
    """As docs/raspberry-pi.md has them."""
    for machine, bits, python, fitting in (
        ("aarch64", 64, (3, 11, 0), ["litert", "tflite"]),
        ("aarch64", 64, (3, 13, 0), ["litert"]),
        ("aarch64", 32, (3, 11, 0), ["tflite"]),
        ("armv7l", 32, (3, 11, 0), ["tflite"]),
        ("armv7l", 32, (3, 13, 0), []),
        ("armv6l", 32, (3, 11, 0), []),
        ("x86_64", 64, (3, 12, 0), ["litert"]),
    ):
        assert wheels(dataclasses.replace(PI, machine=machine, bits=bits, python=python)) == fitting


def test_facts_are_read_from_the_system(tmp_path: Path) -> None:
    """Of a board that is made of files; what is damaged or missing is left out."""
    for name, content in {
        "proc/cpuinfo": "processor : 0\nFeatures\t: fp asimd asimddp\nModel\t\t: Raspberry Pi 5 Model B\n",
        "proc/meminfo": "MemTotal:  8000 kB\nMemAvailable:  6000 kB\n",
        "proc/device-tree/model": "Raspberry Pi 5 Model B\0",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/class/thermal/thermal_zone0/temp": "51000\n",
        "sys/class/thermal/thermal_zone1/temp": "broken\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50000\n",
        "dev/video0": "",
        "etc/debian_version": "12.5",
        "usr/lib/python3/dist-packages/picamera2/__init__.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = read_system(tmp_path)
    assert (found.board, found.cpu) == ("Raspberry Pi 5 Model B",) * 2
    assert (found.memory_kib, found.governor, found.temperature) == ((8000, 6000), "ondemand", 51.0)
    assert (found.throttled, found.cameras, found.debian_picamera2) == (0x50000, {"/dev/video0": ""}, True)
    assert "asimddp" in found.flags
    assert found.debian
    nothing = read_system(tmp_path / "nothing")
    assert not nothing.debian
    assert (nothing.memory_kib, nothing.temperature, nothing.throttled, nothing.cameras) == (None, None, None, {})


@pytest.mark.parametrize(
    ("cpuinfo", "board", "name"),
    [
        ("processor : 0\nmodel name\t: Intel(R) Xeon(R) CPU\nflags : x\n", "", "Intel(R) Xeon(R) CPU"),
        ("processor : 0\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n", "", "Raspberry Pi 4 Model B Rev 1.4"),
        ("model name : ARMv7 Processor rev 3 (v7l)\n", "Orange Pi PC\0", "Orange Pi PC"),
        ("CPU implementer : 0x41\nCPU part : 0xd0b\n", "Radxa ROCK 5B\0", "Radxa ROCK 5B"),
        ("CPU implementer : 0x41\nCPU part : 0xd0c\n", "", "aarch64 processor 0x41 0xd0c"),
        ("processor : 0\n", "", "aarch64"),
    ],
)
def test_a_processor_goes_by_what_tells_it_from_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str, board: str, name: str
) -> None:
    """Two boards with the same kernel and architecture are two machines."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    for file, text in (("cpuinfo", cpuinfo), ("device-tree/model", board)):
        (tmp_path / "proc" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc" / file).write_text(text)
    assert processor_name(tmp_path) == name


@pytest.mark.parametrize(
    ("code", "outcome", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", CRASHED, "SIGILL; it was built for instructions"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", CRASHED, "SIGSEGV"),
        ("raise ImportError('numpy.core.multiarray failed to import')", BROKEN, "numpy.core.multiarray"),
        ("import os; os._exit(3)", CRASHED, "exited with code 3"),
        ("import time; time.sleep(60)", CRASHED, "did not finish within"),
    ],
)
def test_an_interpreter_that_crashes_is_a_finding(
    code: str, outcome: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a package of that name which does what broken wheels do; this process lives on."""
    (tmp_path / "tflite_runtime").mkdir()
    (tmp_path / "tflite_runtime" / "__init__.py").touch()
    (tmp_path / "tflite_runtime" / "interpreter.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    found = probe(BACKENDS["tflite"], seconds=3 if "sleep" in code else 60)
    assert (found.outcome, message in found.text) == (outcome, True), found.text


@pytest.mark.parametrize("package", list(LIBRARIES))
@pytest.mark.parametrize(
    ("code", "outcome", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", CRASHED, "SIGILL; it was built for instructions"),
        (
            "try: raise ImportError('libopenblas.so.0: cannot open')\nexcept ImportError as e: raise ImportError('a page') from e",
            BROKEN,
            "cannot be imported (libopenblas.so.0: cannot open)",
        ),
        ("", BROKEN, "cannot be imported"),
    ],
)
def test_a_library_that_is_broken_is_a_finding(
    package: str, code: str, outcome: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command tells it, with what mends it and without a traceback, though it needs numpy itself when all is well."""
    module = tmp_path / LIBRARIES[package]
    module.mkdir()
    (module / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    found = probe_library(package)
    assert (found.outcome, message in found.text) == (outcome, True), found.text
    if package == "numpy":
        command = [sys.executable, "-P", "-m", "edge_runtime.cli", "doctor"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert (answer.returncode, answer.stderr) == (1, "digits: 1 problem: numpy\n")
        assert re.search(rf"problem +numpy .*{re.escape(message)}", answer.stdout)
        assert re.search(r"-> (sudo apt|.*python -m pip) install ", answer.stdout)


def test_libraries_that_work_are_found_to_do_so() -> None:
    """Those of this environment."""
    for package in LIBRARIES:
        found = probe_library(package)
        assert (found.outcome, bool(found.version)) == (WORKS, True), found.text


def test_the_command_looks_at_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteRT is here and works; the JSON says the same as the text; a problem is exit 1."""
    now = read_system()
    monkeypatch.setattr("edge_runtime.device.system.read_system", lambda: now)  # it may grow warmer between the two
    monkeypatch.setattr("edge_runtime.device.probes.probe_all", lambda model: [probe(BACKENDS["litert"], model)])
    answer = digits("doctor")
    assert re.search(r"ok +ai-edge-litert +\d.* 16 of 16 golden images of small as recorded", answer.out)
    findings = json.loads(digits("doctor", "--json").out)["findings"]
    assert [found["subject"] for found in findings] == [line.split()[1] for line in answer.out.splitlines() if "->" not in line]
    assert answer.code == int(any(found["level"] == PROBLEM for found in findings))
    monkeypatch.setattr("edge_runtime.device.probes.probe_all", lambda _: _probes())
    broken = digits("doctor")
    assert (broken.code, f"-> {pip_install()} '.[" in broken.out) == (1, True)
    assert broken.err == "digits: 1 problem: interpreter\n"


def test_a_plain_model_is_examined(tmp_path: Path) -> None:
    """It has no golden images; the runtimes that it needs are those of its operators."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(read_model_file(None).flatbuffer)
    answer = digits("doctor", "--model", path)
    assert "loads plain, a plain .tflite without golden images" in answer.out
    assert "is a plain .tflite" not in answer.err


@pytest.mark.parametrize(
    ("facts", "remedy"),
    [
        ({"debian_picamera2": True}, DEBIANS_VENV),
        ({"debian_picamera2": True, "venv": "/home/pi/my digits"}, "python3 -m venv --system-site-packages '/home/pi/my digits'"),
        ({"debian_picamera2": True, "packages": {"numpy": "2.3.0"}}, f"{DEBIANS_VENV} && {PIP}'numpy<2'"),
        ({"debian_picamera2": True, "packages": {"numpy": "2.3.0"}, "python": (3, 13, 5)}, DEBIANS_VENV),
        ({"cameras": {"/dev/video0": "unicam-image"}}, f"sudo apt install python3-picamera2 && {DEBIANS_VENV}"),
        ({"cameras": {"/dev/video0": "USB Camera"}}, PIP + "opencv-python-headless"),
    ],
)
def test_a_camera_is_had_without_deleting_the_environment(facts: dict[str, object], remedy: str) -> None:
    """Raspberry Pi OS has picamera2, which the guide's environment hides: a note, since files are classified without it."""
    (found,) = [found for found in diagnose(dataclasses.replace(PI, **facts), GOOD, NEEDS) if found.level != OK]
    assert (found.subject, found.level, found.remedy) == ("camera", NOTE, remedy)


def test_an_environment_that_is_made_again_keeps_its_packages(tmp_path: Path) -> None:
    """What the remedy for picamera2 relies on: only the setting changes."""
    place = tmp_path / "venv"
    for options in ([], ["--system-site-packages"]):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", *options, place], check=True)
        (place / "kept").touch()
    assert (place / "kept").exists()
    assert "include-system-site-packages = true" in (place / "pyvenv.cfg").read_text()


@pytest.mark.parametrize(
    ("package", "text", "facts", "remedy"),
    [
        ("picamera2", "numpy.dtype size changed", {"packages": {"numpy": "2.3.0"}}, PIP + "'numpy<2'"),
        ("picamera2", "No module named 'libcamera'", {}, "sudo apt install --reinstall python3-picamera2"),
        ("opencv-python-headless", "libGL.so.1: cannot open shared object file", {}, "sudo apt install libgl1"),
        ("opencv-python-headless", "damaged", ARMV7, PIP + "--force-reinstall opencv-python-headless"),
    ],
)
def test_a_broken_camera_library_is_a_note(package: str, text: str, facts: dict[str, object], remedy: str) -> None:
    """In place of the claim that it works."""
    system = dataclasses.replace(PI, **{"picamera2": True, "opencv": True, "cameras": {"/dev/video0": ""}, **facts})
    (found,) = [
        found for found in diagnose(system, GOOD, NEEDS, [Probe(package, package, "", BROKEN, text)]) if found.subject == "camera"
    ]
    assert (found.level, text in found.text, found.remedy) == (NOTE, True, remedy)


def test_an_interpreter_that_lacks_a_library_needs_no_other_interpreter() -> None:
    """Debian's package of the library is enough."""
    text = "cannot be imported (libstdc++.so.6: cannot open shared object file: No such file or directory)"
    (found,) = _problems(_probes(litert=(BROKEN, "2.3.0", text)))
    assert found.remedy == "sudo apt install libstdc++6"


def test_the_governor_outlives_a_reboot() -> None:
    """The command writes a unit, which sets the governor now and after each start; typed here with a sudo that shows it."""
    (found,) = [found for found in diagnose(dataclasses.replace(PI, governor="ondemand"), GOOD, NEEDS) if found.level == NOTE]
    shown = subprocess.run(
        ["bash", "-c", 'sudo() { if [ "$1" = tee ]; then cat; else echo "# $*"; fi; }; ' + found.remedy],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(shown)
    assert "echo performance" in unit["Service"]["ExecStart"]
    assert unit["Service"]["ExecStart"].endswith('cpu*/cpufreq/scaling_governor"')
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    assert "systemctl enable --now performance-governor" in shown
    assert "/etc/systemd/system/performance-governor.service" in found.remedy


VIDEO = {  # of a Raspberry Pi 4 with a camera on its ribbon cable, a webcam, and the devices of its codecs
    "video0": ("unicam-image", "0"),
    "video1": ("unicam-embedded", "1"),
    "video2": ("UVC Camera (046d:0825)", "0"),
    "video3": ("UVC Camera (046d:0825)", "1"),
    "video10": ("bcm2835-codec-decode", "0"),
    "video11": ("bcm2835-codec-encode", "0"),
    "video12": ("bcm2835-codec-isp", "0"),
    "video13": ("bcm2835-isp-output0", "0"),
    "video14": ("bcm2835-isp-capture0", "1"),
    "video18": ("bcm2835-codec-image_fx", "0"),
    "video19": ("rpivid", "0"),
    "video20": ("pispbe-input", "0"),
    "video31": ("bcm2835-codec-encode_image", "0"),
    "video32": ("rockchip,rk3399-vpu-enc", "0"),
}


def test_codecs_are_no_cameras(tmp_path: Path) -> None:
    """Nor are a camera's further devices, of metadata, further cameras."""
    for device, facts in VIDEO.items():
        for name, content in zip(("name", "index"), facts, strict=True):
            place = tmp_path / "sys/class/video4linux" / device / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content + "\n")
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / "dev" / device).touch()
    assert read_system(tmp_path).cameras == {"/dev/video0": "unicam-image", "/dev/video2": "UVC Camera (046d:0825)"}


def test_throttling_is_read_on_a_raspberry_pi_5(tmp_path: Path) -> None:
    """Its firmware's device is named after the address of its bus."""
    place = tmp_path / "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
    place.parent.mkdir(parents=True)
    place.write_text("50005\n")
    assert read_system(tmp_path).throttled == 0x50005


def test_musl_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of Python's own modules, as on Alpine: `platform.libc_ver` says nothing there before Python 3.14."""
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert read_system().libc == "unknown"
    monkeypatch.setattr("sysconfig.get_config_var", {"SOABI": "cpython-311-aarch64-linux-musl"}.get)
    (found,) = _problems(_probes(), libc=read_system().libc)
    assert found.text == "none has a wheel for musl"


def test_pip_is_that_of_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an environment, and where the system lets pip install; Raspberry Pi OS does not, so an environment is made first."""
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "executable", "/home/pi/my digits/bin/python")
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    ours = "'/home/pi/my digits/bin/python' -m pip install"
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "elsewhere"))
    assert pip_install() == ours
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    assert pip_install() == "python3 -m venv ~/digits && ~/digits/bin/pip install"
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    assert pip_install() == ours
