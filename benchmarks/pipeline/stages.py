"""Stages that run only if something changed: each leaves a stamp with the hashes of its inputs and outputs.

The work of a stage is passed in as a function, since library modules of this package may not import training or conversion.
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
    """A stage of a pipeline.

    name: unique in its pipeline.
    settings: what the result depends on besides the inputs, serialisable as JSON.
    inputs: files that it reads.
    outputs: files that it writes.
    run: does the work.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    run: Callable[[], None]


def run_stage(stage: Stage, folder: Path, force: bool = False) -> bool:
    """Run a stage unless its outputs exist, are unchanged, and were made from the same inputs and settings.

    Returns:
        Whether it ran.
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
    """Settings, and hashes of inputs and outputs; null for a missing file."""
    return {
        "settings": json.loads(json.dumps(stage.settings)),
        # Lists, not dicts: files in different folders may have the same name.
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
