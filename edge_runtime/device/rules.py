"""Rules of `digits doctor`: pure functions from facts of a device to findings, each with one command that fixes it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.device.probes import CAMERA_LIBRARIES, MISSING, REFUSES, WORKS, WRONG, Probe
from edge_runtime.device.remedies import (
    EXTRAS,
    for_governor,
    for_interpreter,
    for_library,
    for_model,
    for_picamera2,
    older_numpy,
    wheels,
)
from edge_runtime.device.system import System

OK, NOTE, PROBLEM = "ok", "note", "problem"
_MIN_MEMORY_KIB = 100 * 1024
_HOT, _WARM = 80.0, 70.0
_RIBBON = ("unicam", "rp1-cfe")  # drivers of cameras on a Raspberry Pi's ribbon cable, which OpenCV cannot read
# Bits of the firmware, https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


@frozen_dataclass
class Finding:
    """The result of one rule.

    level: `OK`, `NOTE` (works, could be better) or `PROBLEM`. remedy: a command, or what to do; may be empty.
    """

    subject: str
    level: str
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding for JSON, where the remedy is called "mend"."""
        return {"subject": self.subject, "level": self.level, "text": self.text, "mend": self.remedy}


def diagnose(
    system: System, probes: Sequence[Probe], minimum_runtime: Mapping[str, str], libraries: Sequence[Probe] = ()
) -> list[Finding]:
    """Apply all rules, in the order of the report.

    Args:
        system: the device.
        probes: of all interpreters; empty if numpy does not work, which they all need.
        minimum_runtime: oldest version of each package that runs the model, from its manifest; empty if unknown.
        libraries: probes of numpy, Pillow and what reads cameras.
    """
    return [
        _python(system),
        _platform(system),
        *_interpreters(system, probes, minimum_runtime),
        *_numpy(system, libraries),
        *_pillow(system, libraries),
        *_model(system, probes, minimum_runtime),
        *_processor(system),
        *_memory(system),
        *_governor(system),
        *_heat(system),
        *_camera(system, libraries),
    ]


def _python(system: System) -> Finding:
    text = ".".join(map(str, system.python))
    if system.python < (3, 11):
        return Finding("Python", PROBLEM, f"{text}; 3.11 or newer is needed", "use Raspberry Pi OS Bookworm or newer, or pyenv")
    return Finding("Python", OK, text + (", in a venv" if system.venv else ", not in a venv"))


def _platform(system: System) -> Finding:
    text = f"{system.machine}, {system.bits}-bit Python, {system.libc}"
    if system.bits == 32 and system.machine == "aarch64":
        remedy = "follow the 32-bit line of docs/raspberry-pi.md, or install a 64-bit system, which is faster"
        return Finding("platform", NOTE, f"{text}: a 32-bit system on a 64-bit kernel cannot use 64-bit wheels", remedy)
    return Finding("platform", OK, text + (f", {system.board}" if system.board else ""))


def _interpreters(system: System, probes: Sequence[Probe], minimum: Mapping[str, str]) -> Iterator[Finding]:
    for number, probe in enumerate(probes):
        if probe.outcome == WORKS:
            yield Finding(probe.package, OK, f"{probe.version}: {probe.text}")
        elif probe.outcome != MISSING:
            # Commands use the first interpreter that is installed, so a broken later one is no problem.
            level = NOTE if any(earlier.outcome == WORKS for earlier in probes[:number]) else PROBLEM
            yield _broken(system, probe, minimum, level)
    if probes and all(probe.outcome == MISSING for probe in probes):
        yield _none_installed(system)


def _broken(system: System, probe: Probe, minimum: Mapping[str, str], level: str) -> Finding:
    text = f"{probe.version} {probe.text}".strip() if probe.outcome != WRONG else f"{probe.version}: only {probe.text}"
    if probe.backend == "tflite" and system.python >= (3, 12):
        return Finding(
            probe.package, level, f"{text}; it has no wheel for Python 3.12 or newer", f"{system.pip_install} {EXTRAS['litert']}"
        )
    if probe.backend == "tflite" and _major(system.packages.get("numpy", "")) >= 2:
        return Finding(probe.package, level, f"{text}; it was built for numpy 1", older_numpy(system))
    if probe.outcome in (REFUSES, WRONG) and not _suffices(probe, minimum):
        return Finding(probe.package, level, f"{text}; the model needs {_versions(minimum)}", for_model(system, minimum))
    if probe.outcome == WRONG:
        return Finding(probe.package, level, text, "run digits verify --receipt receipt.json, and report an issue with the receipt")
    return Finding(probe.package, level, text, for_interpreter(system, probe.backend, minimum, probe.text))


def _suffices(probe: Probe, minimum: Mapping[str, str]) -> bool:
    """Whether an interpreter is known to run a model with these minimum versions; assumed for TensorFlow and for unknown minimums."""
    if not minimum or probe.backend == "tensorflow":
        return True
    return probe.package in minimum and _number(probe.version) >= _number(minimum[probe.package])


def _versions(minimum: Mapping[str, str]) -> str:
    return " or ".join(f"{package} {version} or newer" for package, version in minimum.items())


def _none_installed(system: System) -> Finding:
    available = wheels(system)
    if available:
        return Finding("interpreter", PROBLEM, "none is installed", f"{system.pip_install} {EXTRAS[available[0]]}")
    if "musl" in system.libc:
        return Finding("interpreter", PROBLEM, f"none has a wheel for {system.libc}", "use a system with glibc, such as Debian")
    if system.machine.startswith("armv6"):
        return Finding("interpreter", PROBLEM, "none has a wheel for ARMv6", "use a Raspberry Pi 2 or newer")
    if system.bits == 32:
        version = ".".join(map(str, system.python[:2]))
        return Finding(
            "interpreter",
            PROBLEM,
            f"none has a wheel for 32-bit Python {version}",
            "use the 64-bit system, or Bookworm with Python 3.11",
        )
    return Finding("interpreter", PROBLEM, f"none has a wheel for {system.machine}", "use x86-64 or ARM with 64 bits")


def _numpy(system: System, libraries: Sequence[Probe]) -> Iterator[Finding]:
    version = system.packages.get("numpy", "")
    broken = _not_working(system, "numpy", libraries)
    if broken:
        yield dataclasses.replace(broken, text=f"{broken.text}; no interpreter runs without it, so none was tried")
    elif "tflite-runtime" in system.packages and _major(version) >= 2:
        yield Finding("numpy", PROBLEM, f"{version} beside tflite-runtime, which was built for numpy 1", older_numpy(system))
    else:
        yield Finding("numpy", OK, version or "version unknown")


def _pillow(system: System, libraries: Sequence[Probe]) -> Iterator[Finding]:
    broken = _not_working(system, "Pillow", libraries)
    if broken:
        yield dataclasses.replace(broken, text=f"{broken.text}; no image can be read without it")
    elif libraries:
        yield Finding("Pillow", OK, system.packages.get("Pillow") or "version unknown")


def _not_working(system: System, package: str, libraries: Sequence[Probe]) -> Finding | None:
    for probe in libraries:
        if probe.package == package and probe.outcome != WORKS:
            return Finding(package, PROBLEM, f"{probe.version} {probe.text}".strip(), for_library(system, package, probe.text))
    return None


def _model(system: System, probes: Sequence[Probe], minimum: Mapping[str, str]) -> Iterator[Finding]:
    working = [probe for probe in probes if probe.outcome == WORKS]
    old = [probe for probe in working if probe.package in minimum and not _suffices(probe, minimum)]
    for probe in old:
        needed = {probe.package: minimum[probe.package]}
        text = f"is tested with {_versions(needed)}, but {probe.version} is installed"
        yield Finding("model", PROBLEM, text, for_model(system, {**needed, **minimum}))
    if working and not old and not any(_suffices(probe, minimum) for probe in working):
        names = ", ".join(probe.package for probe in working)
        text = f"is not tested with {names}, but with {_versions(minimum)}"
        yield Finding("model", PROBLEM, text, for_model(system, minimum))


def _processor(system: System) -> Iterator[Finding]:
    useful = {"aarch64": ("asimddp", "i8mm"), "x86_64": ("avx2", "avx512_vnni", "avx_vnni")}.get(system.machine, ("neon",))
    present = [flag for flag in useful if flag in system.flags]
    yield Finding("processor", OK, f"{system.cpu}, {system.cores} cores" + (f", with {', '.join(present)}" if present else ""))


def _memory(system: System) -> Iterator[Finding]:
    if system.memory_kib is None:
        return
    total, available = system.memory_kib
    text = f"{available / 1024:,.0f} of {total / 1024:,.0f} MiB available"
    if available < _MIN_MEMORY_KIB:
        yield Finding("memory", PROBLEM, f"{text}; classifying takes some 60 MiB", "end other programs; see free -m")
    else:
        yield Finding("memory", OK, text)


def _governor(system: System) -> Iterator[Finding]:
    if system.governor and system.governor != "performance":
        yield Finding("governor", NOTE, f"{system.governor}: the first images after a pause take longer", for_governor())
    elif system.governor:
        yield Finding("governor", OK, system.governor)


def _heat(system: System) -> Iterator[Finding]:
    if system.temperature is not None:
        level = PROBLEM if system.temperature >= _HOT else NOTE if system.temperature >= _WARM else OK
        remedy = "" if level == OK else "give the board a heat sink or a fan"
        yield Finding("temperature", level, f"{system.temperature:.0f} degrees Celsius", remedy)
    if system.throttled is None:
        return
    now = [text for bit, text in _NOW.items() if system.throttled >> bit & 1]
    before = [text for bit, text in _NOW.items() if system.throttled >> (bit + 16) & 1 and text not in now]
    if now:
        remedy = "use the official power supply" if "under-voltage" in now else "give the board a heat sink or a fan"
        yield Finding("throttling", PROBLEM, f"now: {', '.join(now)}", remedy)
    elif before:
        yield Finding("throttling", NOTE, f"since boot: {', '.join(before)}", "use the official power supply, and cool the board")
    else:
        yield Finding("throttling", OK, "none since boot")


def _camera(system: System, libraries: Sequence[Probe]) -> Iterator[Finding]:
    """Never a problem: only `digits classify --camera` needs one."""
    broken = [found for package in CAMERA_LIBRARIES if (found := _not_working(system, package, libraries))]
    yield from (Finding("camera", NOTE, f"{found.subject} {found.text}", found.remedy) for found in broken)
    if broken:
        return
    names = ", ".join(f"{device} ({name})" if name else device for device, name in system.cameras.items())
    if system.picamera2:
        yield Finding("camera", OK, ", ".join(filter(None, [names, "picamera2 is installed"])))
    elif system.debian_picamera2:
        text = "picamera2 is installed, but not visible in this venv; only --camera picamera2 needs it"
        yield Finding("camera", NOTE, text, for_picamera2(system))
    elif any(name.startswith(_RIBBON) for name in system.cameras.values()):
        yield Finding("camera", NOTE, f"{names}, without picamera2", for_picamera2(system))
    elif system.cameras:
        level, remedy = (OK, "") if system.opencv else (NOTE, f"{system.pip_install} opencv-python-headless")
        yield Finding("camera", level, names, remedy)


def _major(version: str) -> int:
    return _number(version)[0] if version else 0


def _number(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (2, 14, 0) of 2.14.0rc1.post2."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers) or (0,)
