"""Targets of a file: a requirement on a runtime, or a board. Each stands for the releases that must all run the file.

Microcontrollers and TFLite Micro have no releases: `convert.compatibility.microcontrollers` checks these.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from convert.compatibility.microcontrollers import MICROCONTROLLERS, TFLM, TFLM_NOTE
from convert.compatibility.operator_support import Release, known, proven
from edge_runtime.errors import BadArgument


@dataclass(frozen=True)
class Board:
    """A kind of device with the runtimes available for it. note: what that relies on, and what was not tried."""

    requirement: str
    note: str


_BITS_32 = Board("tflite-runtime==2.14.0", "LiteRT has no wheel for 32 bits; the last one of tflite-runtime needs Python 3.11")
_BITS_64 = Board(
    "ai-edge-litert>=1.4", "the releases that pip install '.[litert]' may install; all have aarch64 wheels for Python 3.11"
)
BOARDS = {
    "aarch64": _BITS_64,
    "android": Board(
        "ai-edge-litert>=1.4",
        "a release of LiteRT packed into the app. The Python packages of these releases were tried on x86-64, no phone was; the LiteRT in "
        "Google Play services, whose release an app does not choose, is not covered",
    ),
    "armv7": _BITS_32,
    "raspberry-pi-os-32": _BITS_32,
    "raspberry-pi-os-64": _BITS_64,
}


@dataclass(frozen=True)
class Target:
    """Where files must run. text: as requested. releases: all of these must run them, the oldest first.

    device: of a microcontroller or TFLite Micro, the name in `convert.compatibility.microcontrollers`; it has no releases.
    """

    text: str
    releases: tuple[Release, ...]
    note: str = ""
    device: str = ""

    def __str__(self) -> str:
        if self.device:
            return f"{self.text}: {self.note}"
        first, last = self.releases[0], self.releases[-1]
        several = f" to {last.version}" if last != first else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.text}: {first}{several}{note}"


def parse_targets(texts: Sequence[str]) -> tuple[Target, ...]:
    """Parse the values of `--runs-on`, each once.

    Raises:
        BadArgument: unknown runtime or board, or no known release meets the requirement; the message lists what is known.
    """
    return tuple(_parse(text) for text in dict.fromkeys(texts))


def releases_of(targets: Sequence[Target]) -> tuple[Release, ...]:
    """All releases that the targets stand for, each once."""
    return tuple(dict.fromkeys(release for target in targets for release in target.releases))


def oldest_and_newest(targets: Sequence[Target]) -> tuple[Release, ...]:
    """The oldest and the newest release of each target."""
    ends = (release for target in targets if target.releases for release in (target.releases[0], target.releases[-1]))
    return tuple(dict.fromkeys(ends))


def devices_of(targets: Sequence[Target]) -> tuple[str, ...]:
    """Microcontrollers, and TFLite Micro, of the targets, each once."""
    return tuple(dict.fromkeys(target.device for target in targets if target.device))


def _parse(text: str) -> Target:
    name = text.strip().lower()
    if name == TFLM:
        return Target(text, (), TFLM_NOTE, name)
    if name in MICROCONTROLLERS:
        return Target(text, (), MICROCONTROLLERS[name].note, name)
    board = BOARDS.get(name)
    if board:
        return Target(text, _matching(board.requirement), board.note)
    return Target(text, _matching(text))


def _matching(text: str) -> tuple[Release, ...]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise BadArgument(f"--runs-on {text!a} is unknown; {_known()}") from None
    package = canonicalize_name(requirement.name)
    if package not in proven().releases or requirement.url or requirement.marker or requirement.extras:
        raise BadArgument(f"--runs-on {text!a} is unknown; {_known()}")
    releases = tuple(release for release in known([package]) if requirement.specifier.contains(release.version))
    if not releases:
        raise BadArgument(f"--runs-on {text!a}: no known release meets that; {_known()}")
    return releases


def _known() -> str:
    releases = "; ".join(f"{package} {', '.join(versions)}" for package, versions in proven().releases.items())
    return f"known are {releases}, with ==, >= and the like, and {', '.join((*BOARDS, *MICROCONTROLLERS, TFLM))}"
