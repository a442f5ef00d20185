"""Stages that are run only where something has changed: each leaves a stamp with the hash of what went in and of what came out.

What a stage does is handed in as a function: this package may not import training or conversion.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.common.atomic_files import write_file

STAMPS = ".stamps"


@dataclass(frozen=True)
class Stage:
    """A piece of work from files to files.

    name: unique in its pipeline.
    settings: everything but files that the result depends on, as JSON-able values.
    inputs: files that it reads.
    outputs: files that it writes.
    run: does the work; called with nothing.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    run: Callable[[], None]


def run_stage(stage: Stage, folder: Path, force: bool = False) -> bool:
    """Run a stage unless its outputs are there, unchanged, and made from the same inputs and settings.

    Returns:
        Whether it was run.
    """
    stamp = folder / STAMPS / f"{stage.name.replace(' ', '-')}.json"
    if not force and _is_up_to_date(stage, stamp):
        return False
    stamp.unlink(missing_ok=True)
    stage.run()
    write_file(stamp, json.dumps(_state(stage), sort_keys=True, indent=2) + "\n", force=True)
    return True


def _is_up_to_date(stage: Stage, stamp: Path) -> bool:
    state = _state(stage)
    return _read(stamp) == state and all(digest for _, digest in state["outputs"])


def _state(stage: Stage) -> dict[str, Any]:
    """Settings, inputs and outputs as hashes; a file that is not there has none."""
    return {
        "settings": json.loads(json.dumps(stage.settings)),
        # Lists, not dicts: files of different folders may have the same name.
        "inputs": [[path.name, _hash(path)] for path in stage.inputs],
        "outputs": [[path.name, _hash(path)] for path in stage.outputs],
    }


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _read(stamp: Path) -> Any:
    try:
        return json.loads(stamp.read_text())
    except (OSError, ValueError):
        return None
