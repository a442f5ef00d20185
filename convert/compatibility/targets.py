"""Where a file has to run: a requirement on a runtime, or a board. Each stands for the releases of runtimes that all have to run it."""

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from convert.compatibility.operator_support import Release, known, proven
from edge_runtime.errors import BadArgument


@dataclass(frozen=True)
class Board:
    """A kind of device by the runtimes that there are for it. note: what that rests on, and what is not claimed."""

    requirement: str
    note: str


_BITS_32 = Board("tflite-runtime==2.14.0", "LiteRT has no wheel for 32 bits; tflite-runtime's last one needs Python 3.11")
_BITS_64 = Board(
    "ai-edge-litert>=1.4", "the releases that pip install '.[litert]' may bring; all have aarch64 wheels, for Python 3.11"
)
BOARDS = {
    "aarch64": _BITS_64,
    "android": Board(
        "ai-edge-litert>=1.4",
        "LiteRT of such a release packed into the app. The Python packages of these releases were tried, on x86-64, no phone was; "
        "nothing is said of the LiteRT in Google Play services, whose release an app does not choose",
    ),
    "armv7": _BITS_32,
    "raspberry-pi-os-32": _BITS_32,
    "raspberry-pi-os-64": _BITS_64,
}


@dataclass(frozen=True)
class Target:
    """A place where files have to run. text: as it was asked for. releases: all of these have to run them, the oldest first."""

    text: str
    releases: tuple[Release, ...]
    note: str = ""

    def __str__(self) -> str:
        first, last = self.releases[0], self.releases[-1]
        several = f" to {last.version}" if last != first else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.text}: {first}{several}{note}"


def parse_targets(texts: Sequence[str]) -> tuple[Target, ...]:
    """What `--runs-on` was given, each once.

    Raises:
        BadArgument: no such runtime or board, or no release that is known meets the requirement; the message lists what is known.
    """
    return tuple(_parse(text) for text in dict.fromkeys(texts))


def releases_of(targets: Sequence[Target]) -> tuple[Release, ...]:
    """All releases that any of the targets stands for, each once."""
    return tuple(dict.fromkeys(release for target in targets for release in target.releases))


def oldest_and_newest(targets: Sequence[Target]) -> tuple[Release, ...]:
    """The oldest and the newest release of each target."""
    return tuple(dict.fromkeys(release for target in targets for release in (target.releases[0], target.releases[-1])))


def _parse(text: str) -> Target:
    board = BOARDS.get(text.strip().lower())
    if board:
        return Target(text, _matching(board.requirement), board.note)
    return Target(text, _matching(text))


def _matching(text: str) -> tuple[Release, ...]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise BadArgument(f"runs on {text!a}: {_known()}") from None
    package = canonicalize_name(requirement.name)
    if package not in proven().releases or requirement.url or requirement.marker or requirement.extras:
        raise BadArgument(f"runs on {text!a}: {_known()}")
    found = tuple(release for release in known([package]) if requirement.specifier.contains(release.version))
    if not found:
        raise BadArgument(f"runs on {text!a}: no known release meets that; {_known()}")
    return found


def _known() -> str:
    releases = "; ".join(f"{package} {', '.join(versions)}" for package, versions in proven().releases.items())
    return f"known are {releases}, with ==, >= and the like, and {', '.join(BOARDS)}"
