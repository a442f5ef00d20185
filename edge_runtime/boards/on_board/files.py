"""Files on a board: the folder, whole and atomic changes of it, locks, and what is received from standard input."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

REPLY = "\x1e"
"""First character of a reply's line (RFC 7464), which tells it from what a login shell prints."""
SPARE_BYTES = 2**20
_CHUNK = 2**16


class Refused(Exception):
    """What was asked for cannot be done here. cause: one word for programs; the text says what to do."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class LaptopGone(Exception):
    """The other end of the connection is closed."""


def reply(**fields: Any) -> None:
    """Send a reply.

    Raises:
        LaptopGone: nobody reads it.
    """
    try:
        sys.stdout.write(f"{REPLY}{json.dumps(fields)}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise LaptopGone from error


def digits_home() -> Path:
    """The folder of everything that is kept on a board."""
    return Path.home() / ".local" / "share" / "digits"


def make_home() -> Path:
    """Create the folder, which only its user may read; `made` in it lists the parents that did not exist before."""
    home = digits_home()
    if not home.is_dir():
        missing = [str(parent) for parent in home.parents if not parent.exists()]
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        write_whole(home / "made", json.dumps(missing).encode())
    return home


@contextmanager
def locked(name: str, what: str) -> Iterator[int]:
    """Hold a lock of this board, and yield its descriptor. The kernel releases it however the process ends.

    Raises:
        Refused: another process holds it.
    """
    path = make_home() / f"{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(handle, 200).decode(errors="replace") or "another process"
            raise Refused("busy", f"{holder} is still running there; try again when it has ended") from error
        os.ftruncate(handle, 0)
        os.write(handle, f"{what}, since {time.strftime('%H:%M:%S')}".encode())
        yield handle
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Have a file or folder survive a power cut, on file systems that can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, then rename it."""
    part = path.with_name(f".{path.name}.new")
    part.write_bytes(content)
    sync(part)
    part.replace(path)
    sync(path.parent)


def switch_link(link: Path, target: str) -> None:
    """Have a symbolic link lead to `target`: the old target or the new one at every moment."""
    new = link.with_name(f".{link.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(link)
    sync(link.parent)


def require_room(folder: Path, needed: int) -> None:
    """Check the free bytes of a folder's file system.

    Raises:
        Refused: fewer than `needed`, and some to spare.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        text = f"the disk is full: {free / 1e6:,.1f} MB are free, {(needed + SPARE_BYTES) / 1e6:,.1f} MB are needed; make room"
        raise Refused("full", text)


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def receive(path: Path, size: int, sha256: str) -> None:
    """Receive a file, going on where an interrupted transfer ended. It gets its name once it is whole.

    The replies `need` say from which byte on the sender has to send the rest; the last one, `whole`, that it is there.

    Raises:
        LaptopGone: the sender ended too early; what came is kept.
        Refused: the hash is wrong after a whole transfer, or the disk is full.
    """
    if path.is_file() and file_hash(path) == sha256:
        reply(whole=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    start = part.stat().st_size if part.exists() else 0
    for offset in dict.fromkeys((start if start <= size else 0, 0)):
        require_room(path.parent, size - offset)
        _append(part, offset, size)
        if file_hash(part) == sha256:
            sync(part)
            part.replace(path)
            sync(path.parent)
            reply(whole=True)
            return
    part.unlink()
    raise Refused("damaged", "the file arrived with another hash than it was sent with; try again")


def _append(part: Path, offset: int, size: int) -> None:
    with part.open("ab") as stream:
        stream.truncate(offset)
        stream.seek(offset)
        reply(need=offset)
        while stream.tell() < size:
            block = os.read(0, min(_CHUNK, size - stream.tell()))
            if not block:
                raise LaptopGone
            stream.write(block)
            stream.flush()
