"""Machines that share work: what has to be alike on all of them, and work that ends them. Needs no dask."""

from collections.abc import Callable, Mapping
from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import DigitsError


class WorkersLost(DigitsError):
    """A piece of work that ended one worker after the other, and was given up."""


@frozen_dataclass
class Requirements:
    """What has to be the same everywhere, since results of two versions must not end in one table.

    versions: asked here and on each worker, importable there by its name. extra: of edge-digits, that a worker needs.
    """

    versions: Callable[[], Mapping[str, str]]
    extra: str

    def refuse_others(self, client: Any) -> None:
        """Ask all workers of a dask client.

        Raises:
            DigitsError: one of them lacks edge-digits, what it needs, or has another version; the message names it.
        """
        ours = self.versions()
        for address, found in client.run(self.versions, on_error="return").items():
            if isinstance(found, OSError):
                continue  # a worker that has just gone
            if isinstance(found, Exception):
                raise DigitsError(
                    f"worker {address} lacks edge-digits with its {self.extra} extra ({found}); install it on all machines"
                )
            if cause := difference(ours, found):
                raise DigitsError(f"worker {address} {cause}")


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """What a worker has in another version than this machine, and what to do, in words; empty if there is nothing."""
    for name, version in ours.items():
        if theirs.get(name) != version:
            return f"has {name} {theirs.get(name)}, this is {version}; install the same on all machines"
    return ""
