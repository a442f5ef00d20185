"""The ZIP archive behind a model's FlatBuffer. Its entries determine every bit of it.

ZIP readers tolerate different defects (gaps, duplicate names, stray bytes, comments). This codec tolerates none: `unpack` extracts the
entries, builds the archive again, and compares, so that any flipped bit is detected. Entries are stored, since deflate can encode the same
content in many ways. Any ZIP tool reads the result. Format: PKWARE APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12, 4.3.16.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping

from edge_runtime.errors import ModelFileError

ENTRY_NAMES = ("manifest.json", "labels.txt", "golden.npz")
MAX_ENTRY_BYTES = 65_536

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _STORED, _MIDNIGHT_1980 = 20, 0, 0x0021


def pack(offset: int, entries: Mapping[str, bytes]) -> bytes:
    """Build the archive that begins `offset` bytes into a file, with exactly the entries of `ENTRY_NAMES`.

    Raises:
        ValueError: an entry is missing, unknown, or larger than `MAX_ENTRY_BYTES`.
    """
    if set(entries) != set(ENTRY_NAMES) or any(len(content) > MAX_ENTRY_BYTES for content in entries.values()):
        raise ValueError(f"expected the entries {ENTRY_NAMES}, each of at most {MAX_ENTRY_BYTES:,} bytes")
    return _assemble(offset, {name: entries[name] for name in ENTRY_NAMES})


def unpack(data: bytes) -> tuple[int, dict[str, bytes]]:
    """Read the archive at the end of a file.

    Returns:
        The offset at which the archive begins, and the content of each entry.

    Raises:
        ModelFileError: it is not byte-identical to what `pack` writes.
    """
    offset, entries = _read_directory(data)
    if _assemble(offset, entries) != data[offset:]:
        raise ModelFileError("damaged archive: it is not byte-identical to one rebuilt from its entries")
    return offset, entries


def has_archive_end(data: bytes) -> bool:
    """Whether the file ends with a ZIP end record without a comment."""
    return len(data) >= _END.size and data[-_END.size :].startswith(_END_MARK)


def has_archive_trace(data: bytes) -> bool:
    """Whether the file has remains of an archive: an entry's name, or the start of an archive at its end."""
    names = any(name.encode() in data for name in ("manifest.json", "golden.npz"))
    return names or _LOCAL_MARK in data[-(_LOCAL.size + len(ENTRY_NAMES[0])) :]


def _assemble(offset: int, entries: Mapping[str, bytes]) -> bytes:
    bodies, directory = b"", b""
    for name, content in entries.items():
        position = offset + len(bodies)
        common = (_VERSION, 0, _STORED, 0, _MIDNIGHT_1980, zlib.crc32(content), len(content), len(content), len(name), 0)
        bodies += _LOCAL.pack(_LOCAL_MARK, *common) + name.encode() + content
        directory += _CENTRAL.pack(_CENTRAL_MARK, _VERSION, *common, 0, 0, 0, 0, position) + name.encode()
    start = offset + len(bodies)
    return bodies + directory + _END.pack(_END_MARK, 0, 0, len(entries), len(entries), len(directory), start, 0)


def _read_directory(data: bytes) -> tuple[int, dict[str, bytes]]:
    """The offset of the first entry, and the entries in order."""
    _, _, _, _, count, size, start, _ = _END.unpack(data[-_END.size :])
    if count != len(ENTRY_NAMES) or start + size + _END.size != len(data):
        raise ModelFileError(
            f"damaged archive: it has {count} entries, expected {', '.join(ENTRY_NAMES)} with nothing between or after them"
        )
    found = list(_read_entries(data, start))
    return found[0][0], {name: content for _, name, content in found}


def _read_entries(data: bytes, position: int) -> Iterator[tuple[int, str, bytes]]:
    """Offset, name and content of each entry of the directory at `position`."""
    for expected in ENTRY_NAMES:
        header = data[position : position + _CENTRAL.size]
        if len(header) < _CENTRAL.size or not header.startswith(_CENTRAL_MARK):
            raise ModelFileError("damaged archive: its directory cannot be read")
        size, name_length = _CENTRAL.unpack(header)[9:11]
        offset = _CENTRAL.unpack(header)[-1]
        position += _CENTRAL.size + name_length
        name = data[position - name_length : position]
        if name != expected.encode():
            raise ModelFileError(f"damaged archive: entry {name.decode('utf-8', 'replace')!r}, expected {expected!r}")
        if size > MAX_ENTRY_BYTES:
            raise ModelFileError(f"entry {expected!r} of the archive has {size:,} bytes, expected at most {MAX_ENTRY_BYTES:,}")
        body = offset + _LOCAL.size + name_length
        yield offset, expected, data[body : body + size]
