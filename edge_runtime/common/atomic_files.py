"""Write files atomically: a killed command, or a power cut, leaves the old file or the new one. Nothing is overwritten without --force."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.errors import BadArgument, DigitsError, WouldOverwrite

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> str:
    """Return the name of a run or a model if it is safe in a file name.

    Raises:
        BadArgument: it is empty, too long, begins with a dot, or has other characters than letters, digits, dot, hyphen and underscore.
    """
    if not _NAME.fullmatch(name):
        raise BadArgument(f"name is {name!r}, expected 1 to 64 letters, digits, dots, hyphens or underscores, not a dot first")
    return name


def refuse_to_overwrite(path: Path, force: bool) -> None:
    """Check, before any work is done, that `path` can be written.

    Raises:
        WouldOverwrite: it exists and `force` is false.
        DigitsError: its folder cannot be written.
    """
    try:
        if path.exists() and not force:
            raise WouldOverwrite(f"{path} exists already; give --force to replace it, or another name")
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:
        raise DigitsError(f"{path}: cannot be written ({error.strerror or error})") from error
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise DigitsError(f"{path}: cannot be written ({nearest} is not a writable folder)")


def write_file(path: Path, content: bytes | str, force: bool = False) -> None:
    """Write `content` (text as UTF-8) under a temporary name in the same folder, then rename it to `path`.

    Missing parent folders are created.

    Raises:
        WouldOverwrite: `path` exists and `force` is false.
        DigitsError: the system refuses to write there.
    """
    with atomic_file(path, force) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(path: Path, force: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it is renamed to `path` when the block ends, or removed after an error.

    Missing parent folders are created.

    Raises:
        WouldOverwrite: `path` exists and `force` is false.
        DigitsError: the system refuses to write there. An error of another file in the block is passed on.
    """
    import tempfile  # 5 ms that a classification need not pay

    refuse_to_overwrite(path, force)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)  # mkstemp makes files that only their owner may read
            _sync(temporary)
            temporary.replace(path)
            with suppress(OSError):  # the file is there; a folder that cannot be read cannot be synced
                _sync(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if temporary and error.filename not in (None, str(temporary)):  # another file, such as an input
            raise
        raise DigitsError(f"{path}: cannot be written ({error.strerror or error})") from error


def _sync(path: Path) -> None:
    """Make a file or a folder survive a power cut, on file systems that can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
