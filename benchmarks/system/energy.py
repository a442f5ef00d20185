"""Energy of the whole processor, by Intel's and AMD's running average power limit (RAPL).

https://www.kernel.org/doc/html/latest/power/powercap/powercap.html: `energy_uj` counts microjoules, and wraps around. Since 2020 only root
may read it.
"""

from collections.abc import Callable
from pathlib import Path

_ROOT = Path("/sys/class/powercap")


def joule_meter(root: Path = _ROOT) -> Callable[[], int | None]:
    """A function that returns the microjoules of all processor packages so far, or None where the system does not report them."""
    # A name with a second colon is a part of a package.
    packages = sorted(path for path in root.glob("intel-rapl:*") if path.name.count(":") == 1)

    def read() -> int | None:
        try:
            return sum(int((package / "energy_uj").read_text()) for package in packages) if packages else None
        except (OSError, ValueError):
            return None

    return read
