"""Models to boards: read and signed here, copied, proven and switched to there; canaries first; what failed can be retried."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from edge_runtime.boards.calls import Reply, calling, send_files
from edge_runtime.boards.hosts import Board
from edge_runtime.boards.installation import this_laptop
from edge_runtime.boards.many import Outcome, on_each
from edge_runtime.boards.on_board.files import file_hash
from edge_runtime.boards.on_board.models import NAMESPACE
from edge_runtime.boards.ssh import Connection
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BadArgument, MissingPackage
from edge_runtime.model.model_file import find_model, read_model_file

NOT_TRIED = "not-tried"
"""The cause of boards whose turn did not come."""


@frozen_dataclass
class Release:
    """A model to deploy. name: of its link on the board. sha256: of the file. signature: as ssh-keygen writes it, or empty."""

    name: str
    path: Path
    size: int
    sha256: str
    signature: str


@frozen_dataclass
class Limits:
    """What a board has to keep. nanoseconds: median time of an image, or None. seconds: for all of a board's work."""

    nanoseconds: int | None
    seconds: float


def read_release(name: str, path: Path, key: Path | None) -> Release:
    """Check a model file, and sign it, or take the signature beside it (FILE.sig).

    Raises:
        ModelFileError: it is no valid model, or has no golden images to prove it with.
        BadArgument: it cannot be signed with this key.
    """
    path = find_model(path)
    read_model_file(path).golden()
    beside = path.with_name(f"{path.name}.sig")
    signature = sign(path, key) if key else beside.read_text("ascii") if beside.is_file() else ""
    return Release(name, path, path.stat().st_size, file_hash(path), signature)


def sign(path: Path, key: Path) -> str:
    """The signature of a file by an SSH key, or by the agent's where `key` is a public one.

    Raises:
        BadArgument: the key cannot be used.
        MissingPackage: there is no ssh-keygen.
    """
    try:
        with path.open("rb") as content:
            command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
            done = subprocess.run(command, check=False, stdin=content, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise MissingPackage("there is no ssh-keygen on this machine; install OpenSSH: sudo apt install openssh-client") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise BadArgument(f"{key}: the model cannot be signed with it ({lines[-1] if lines else 'ssh-keygen failed'})")
    return done.stdout


def deploy_to(board: Board, releases: Sequence[Release], limits: Limits, progress: Callable[[str], None]) -> list[Reply]:
    """Copy models to a board, prove all of them there, then switch to them; a record of each.

    Raises:
        BoardError: the board cannot be reached, is full or busy, or a model fails there; it keeps what it had.
    """
    fields = ("name", "size", "sha256", "signature")
    request = {**_request(board, limits), "models": [{name: getattr(release, name) for name in fields} for release in releases]}
    with calling(Connection(board.host), "deploy", request, limits.seconds) as call:
        return send_files(call, [release.path for release in releases], progress)


def roll_back(board: Board, names: Sequence[str], limits: Limits, progress: Callable[[str], None]) -> list[Reply]:
    """Switch a board's models back to their former versions, proven again first. names: none for all.

    Raises:
        BoardError: the board cannot be reached, there is no former version, or it fails.
    """
    with calling(Connection(board.host), "rollback", {**_request(board, limits), "names": list(names)}, limits.seconds) as call:
        return send_files(call, [], progress)


def _request(board: Board, limits: Limits) -> Reply:
    return {"digits": board.digits, "max_nanoseconds": limits.nanoseconds, "who": f"a deployment by {this_laptop()}"}


def canaries_first(
    boards: Sequence[Board], canaries: int, work: Callable[[Board], list[Reply]], jobs: int
) -> Iterator[Outcome[list[Reply]]]:
    """Work on the first `canaries` boards, and on the others only if all of those pass; yields the outcomes as they come."""
    failed = []
    for outcome in on_each(boards[:canaries], work, jobs):
        failed += [outcome.board.host] if outcome.error else []
        yield outcome
    if failed:
        for board in boards[canaries:]:
            yield Outcome(board, None, NOT_TRIED, f"not tried, since {', '.join(failed)} failed first")
    else:
        yield from on_each(boards[canaries:], work, jobs)


class History:
    """What came of a deployment on each board, kept on this machine: a board counts as failed until it has passed."""

    def __init__(self, releases: Sequence[Release]) -> None:
        """The history of these very files."""
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edge-digits" / "deployments"
        content = "".join(sorted(f"{release.name} {release.sha256}\n" for release in releases))
        self._path = folder / f"{sha256(content.encode()).hexdigest()[:16]}.json"
        self._passed = self._read()

    def failed(self, boards: Sequence[Board]) -> list[Board]:
        """Those of the boards that did not pass when they were last tried.

        Raises:
            BadArgument: these files were not deployed to any of them before.
        """
        known = [board for board in boards if board.host in self._passed]
        if not known:
            raise BadArgument("these models were not deployed to these boards from here; leave out --retry")
        return [board for board in known if not self._passed[board.host]]

    def begin(self, boards: Sequence[Board]) -> None:
        """Note that boards are to be tried."""
        self._write({board.host: False for board in boards})

    def add(self, outcome: Outcome[Any]) -> None:
        """Note what came of a board."""
        self._write({outcome.board.host: not outcome.error})

    def _read(self) -> dict[str, bool]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return {str(host): bool(passed) for host, passed in found.items()} if isinstance(found, dict) else {}

    def _write(self, changes: Mapping[str, bool]) -> None:
        self._passed = {**self._passed, **changes}
        write_file(self._path, json.dumps(self._passed, indent=2) + "\n", force=True)
