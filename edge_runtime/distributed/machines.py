"""Version requirements for workers, and the error of a task that ends workers. Needs no dask."""

from collections.abc import Callable, Mapping
from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import DigitsError


class WorkersLost(DigitsError):
    """A task that ended several workers in a row, and was given up."""


@frozen_dataclass
class Requirements:
    """What all workers must share, since results of two versions must not be mixed.

    versions: returns package versions; called here and on each worker, so it must be importable there. extra: extra of edge-digits that a
    worker needs.
    """

    versions: Callable[[], Mapping[str, str]]
    extra: str

    def check_workers(self, client: Any) -> None:
        """Check the versions of all workers of a dask client.

        Raises:
            DigitsError: a worker lacks edge-digits or what it needs, or has another version; the message names it.
        """
        own = self.versions()
        for address, versions in client.run(self.versions, on_error="return").items():
            if isinstance(versions, OSError):
                continue  # the worker has just left
            if isinstance(versions, Exception):
                raise DigitsError(
                    f"worker {address} lacks edge-digits with its {self.extra} extra ({versions}); install it on all machines"
                )
            if cause := difference(own, versions):
                raise DigitsError(f"worker {address} {cause}")


def difference(expected: Mapping[str, str], actual: Mapping[str, str]) -> str:
    """Describe the first package whose version differs, and what to do; empty if none does."""
    for name, version in expected.items():
        if actual.get(name) != version:
            return f"has {name} {actual.get(name)}, expected {version}; install the same version on all machines"
    return ""
