"""The folder of an experiment: its specification, one file per finished cell, and the outputs.

Files are written atomically when a cell is finished, so a killed process loses unfinished cells only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import BadArgument, DataError, DigitsError, InputError, WouldOverwrite
from train.experiments.grid import Grid
from train.experiments.trial import TrialResult
from train.runs.lock import lock_folder

FORMAT = 1
SPEC, CELLS = "experiment.json", "cells"


@dataclass(frozen=True)
class ExperimentSpec:
    """The specification of an experiment; all its cells must share grid, data and versions."""

    grid: Grid
    data_source: str
    data_sha256: str
    versions: dict[str, str]
    format: int = FORMAT


@dataclass(frozen=True)
class Store:
    """The locked folder of an experiment."""

    folder: Path
    spec: ExperimentSpec

    def read(self) -> tuple[dict[str, TrialResult], dict[str, str]]:
        """Finished cells by key in the order of the grid, and the errors of files that cannot be used."""
        finished, damaged = {}, {}
        for key in self.spec.grid.by_key:
            try:
                finished[key] = self._checked(key, from_json(TrialResult, self._path(key).read_bytes()))
            except FileNotFoundError:
                continue
            except (InputError, OSError) as error:
                damaged[key] = str(error)
        return finished, damaged

    def add(self, key: str, result: TrialResult) -> None:
        """Store a finished cell.

        Raises:
            DataError: it has another config or other versions than the experiment.
            DigitsError: the file cannot be written.
        """
        write_file(self._path(key), to_json(self._checked(key, result), indent=1) + "\n", force=True)

    def write(self, files: Mapping[str, bytes | str]) -> None:
        """Write output files, replacing earlier ones."""
        for name, content in files.items():
            write_file(self.folder / name, content, force=True)

    def _checked(self, key: str, result: TrialResult) -> TrialResult:
        if result.config != self.spec.grid.by_key.get(key):
            raise DataError("belongs to another grid")
        if result.versions != self.spec.versions:
            raise DataError(f"was trained with {_as_text(result.versions)}, not {_as_text(self.spec.versions)}")
        return result

    def _path(self, key: str) -> Path:
        return self.folder / CELLS / f"{key}.json"


@contextmanager
def open_store(folder: Path, spec: ExperimentSpec) -> Iterator[Store]:
    """Open or create an experiment's folder.

    Raises:
        BadArgument: the folder contains another experiment.
        DataError: its specification cannot be read.
        WouldOverwrite: the folder contains something else.
        DigitsError: the folder cannot be written to, or another process works on it.
    """
    _make_folder(folder / CELLS)
    with lock_folder(folder, "experiment"):
        # The folder is locked, so temporary files are those of a killed process.
        for rest in (*folder.glob(".*.json.*"), *folder.glob(f"{CELLS}/.*.json.*")):
            rest.unlink()
        _check_spec(folder, spec)
        yield Store(folder, spec)


def _make_folder(cells: Path) -> None:
    try:
        cells.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DigitsError(
            f"{cells}: cannot be created ({error.strerror or error}); choose another folder with --experiments"
        ) from error


def _check_spec(folder: Path, spec: ExperimentSpec) -> None:
    """Write the specification, or compare it with the one that is there."""
    path = folder / SPEC
    if not path.exists():
        foreign = sorted(entry.name for entry in folder.iterdir() if entry.name != CELLS)
        if foreign or any((folder / CELLS).iterdir()):
            raise WouldOverwrite(f"{folder} contains {(foreign or [CELLS])[0]} but no {SPEC}; choose another --name")
        write_file(path, to_json(spec, indent=1) + "\n")
        return
    try:
        before = from_json(ExperimentSpec, path.read_bytes(), ("format", FORMAT))
    except (InputError, OSError) as error:
        raise DataError(f"{path}: {error}; choose another --name, or remove the folder") from error
    if difference := _difference(before, spec):
        raise BadArgument(f"{folder} contains another experiment ({difference}); choose another --name")


def _difference(before: ExperimentSpec, spec: ExperimentSpec) -> str:
    """The first difference between two specifications; empty if they are equal."""
    for name in (field.name for field in fields(Grid)):
        old, new = getattr(before.grid, name), getattr(spec.grid, name)
        if old != new:
            return f"{name.replace('_', ' ')} {_as_text(old)}, not {_as_text(new)}"
    if before.data_sha256 != spec.data_sha256:
        return f"data {before.data_source} {before.data_sha256[:16]}, not {spec.data_source} {spec.data_sha256[:16]}"
    if before.versions != spec.versions:
        return f"{_as_text(before.versions)}, not {_as_text(spec.versions)}"
    return ""


def _as_text(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {version}" for name, version in sorted(value.items()))
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
