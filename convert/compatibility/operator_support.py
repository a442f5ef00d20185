"""Which releases of which runtimes run which operators: a table whose rows were each proven by running a model in the release.

`tools/release/operators/prove.py` writes the table, `make test-venvs` proves it again. A file's own `min_runtime_version` is not used: it
names the version in which an operator appeared, not one in which it works with these types.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any

from edge_runtime.model.graph import Graph

TABLE = "proven_operators.json"
_OF_ANY_NUMBER = ("ADD_N", "CONCATENATION", "PACK")  # of inputs, all of one type
_WITH_GRAPHS = ("CALL", "CALL_ONCE", "IF", "WHILE")  # they run other graphs of the file, which are not read


@dataclass(frozen=True)
class Release:
    """A release of a package with an interpreter: name and version on the package index."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class Use:
    """An operator with its version and the types of its inputs and outputs, on which support in a runtime depends."""

    operator: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.operator} version {self.version} ({', '.join(self.inputs)} -> {', '.join(self.outputs)})"


class State(Enum):
    """Support of an operator in a release."""

    RUNS = "is run by"
    REFUSED = "is not run by"
    UNPROVEN = "is unproven on"


@dataclass(frozen=True)
class Row:
    """A row of the table.

    runs: for each runtime, the release from which on all known ones run the operator.
    refused: releases that do not, and their error messages.
    proof: the tool's model that proves it.
    """

    use: Use
    runs: dict[str, str]
    refused: dict[Release, str]
    proof: str


@dataclass(frozen=True)
class Obstacle:
    """An operator that some releases are not known to run."""

    use: Use
    state: State
    releases: tuple[Release, ...]

    def __str__(self) -> str:
        first, last = self.releases[0], self.releases[-1]
        several = f" to {last.version}" if last != first else ""
        return f"{self.use} {self.state.value} {first}{several}"


@dataclass(frozen=True)
class Table:
    """The table of proven operators. releases: of each runtime, the oldest first."""

    releases: dict[str, tuple[str, ...]]
    rows: dict[Use, Row]

    def state(self, use: Use, release: Release) -> State:
        """Support of an operator in a release; unproven for a release that is not in the table."""
        row, known = self.rows.get(use), self.releases.get(release.package, ())
        if row is None or release.version not in known or use.operator in _WITH_GRAPHS:
            return State.UNPROVEN
        if release in row.refused:
            return State.REFUSED
        since = row.runs.get(release.package)
        return State.RUNS if since and known.index(release.version) >= known.index(since) else State.UNPROVEN


@cache
def proven() -> Table:
    """The table that comes with the package."""
    return parse_table(json.loads(files("convert.compatibility").joinpath(TABLE).read_text()))


def parse_table(content: Any) -> Table:
    """Parse the JSON that `tools/release/operators/prove.py` writes."""
    rows = [
        Row(
            Use(row["operator"], row["version"], tuple(row["inputs"]), tuple(row["outputs"])),
            row["runs"],
            {Release(*name.split()): message for name, message in row["refused"].items()},
            row["proof"],
        )
        for row in content["rows"]
    ]
    return Table({name: tuple(versions) for name, versions in content["releases"].items()}, {row.use: row for row in rows})


def uses(graph: Graph) -> tuple[Use, ...]:
    """The distinct operators of a graph with their types, in the order of execution."""
    typed = zip(graph.operators, graph.input_dtypes, graph.output_dtypes, strict=True)
    return tuple(
        dict.fromkeys(
            Use(
                operator.name,
                operator.version,
                tuple(dict.fromkeys(inputs)) if operator.name in _OF_ANY_NUMBER else inputs,
                outputs,
            )
            for operator, inputs, outputs in typed
        )
    )


def obstacles(graph: Graph, releases: Sequence[Release]) -> tuple[Obstacle, ...]:
    """Operators of a graph that some of the releases are not known to run; empty if all run all."""
    releases_by_state: dict[tuple[Use, State, str], list[Release]] = {}
    for use in uses(graph):
        for release in releases:
            state = proven().state(use, release)
            if state is not State.RUNS:
                releases_by_state.setdefault((use, state, release.package), []).append(release)
    return tuple(Obstacle(use, state, tuple(kept)) for (use, state, _), kept in releases_by_state.items())


def minimum_runtime(graph: Graph) -> dict[str, str]:
    """For each runtime, the release from which on all known ones run all operators of a graph; runtimes without one are omitted."""
    table = proven()
    oldest = {}
    for runtime, versions in table.releases.items():
        since = [_place(table, use, runtime) for use in uses(graph)]
        if all(place is not None for place in since):
            oldest[runtime] = versions[max((place for place in since if place is not None), default=0)]
    return oldest


def unproven(graph: Graph) -> tuple[Use, ...]:
    """Operators of a graph that no runtime is known to run."""
    return tuple(use for use in uses(graph) if all(_place(proven(), use, runtime) is None for runtime in proven().releases))


def known(packages: Iterable[str]) -> tuple[Release, ...]:
    """The releases of some runtimes in the table, the oldest first."""
    return tuple(Release(package, version) for package in packages for version in proven().releases[package])


def _place(table: Table, use: Use, runtime: str) -> int | None:
    """Index of the release of a runtime from which on all run an operator; None if unknown."""
    since = table.rows[use].runs.get(runtime) if use in table.rows and use.operator not in _WITH_GRAPHS else None
    return None if since is None else table.releases[runtime].index(since)
