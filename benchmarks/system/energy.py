"""Energy, where the system tells: Intel's and AMD's running average power limit (RAPL), of the whole processor.

https://www.kernel.org/doc/html/latest/power/powercap/powercap.html: `energy_uj` counts microjoules up, and wraps. Since 2020 root alone may
read it.
"""

from collections.abc import Callable
from pathlib import Path

_ROOT = Path("/sys/class/powercap")


def joule_meter(root: Path = _ROOT) -> Callable[[], int | None]:
    """A function that gives the microjoules of all processor packages so far; None where the system does not tell."""
    packages = sorted(
        path for path in root.glob("intel-rapl:*") if path.name.count(":") == 1
    )  # a second colon: a part of a package

    def read() -> int | None:
        try:
            return sum(int((package / "energy_uj").read_text()) for package in packages) if packages else None
        except (OSError, ValueError):
            return None

    return read
