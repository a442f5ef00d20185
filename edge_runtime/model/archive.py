"""The archive behind a model's FlatBuffer: a ZIP of which every bit is determined by its entries.

ZIP readers differ in what they tolerate (gaps, doubled names, stray bytes, comments). This codec tolerates nothing: `unpack` takes the
entries out, builds the archive again, and compares. What is accepted is what `pack` writes, so that a flipped bit cannot hide anywhere.
Entries are stored, not deflated: one content has many deflated forms, and a flipped bit can turn one into another.
Any ZIP tool reads the result. Format: PKWARE APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12, 4.3.16.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping

from edge_runtime.errors import ModelFileError

ENTRY_NAMES = ("manifest.json", "labels.txt", "golden.npz")
MOST_ENTRY_BYTES = 65_536

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _STORED, _MIDNIGHT_1980 = 20, 0, 0x0021


def pack(offset: int, entries: Mapping[str, bytes]) -> bytes:
    """Build the archive that stands `offset` bytes into a file, with exactly the entries of `ENTRY_NAMES`.

    Raises:
        ValueError: an entry is missing, unknown, or larger than `MOST_ENTRY_BYTES`.
    """
    if set(entries) != set(ENTRY_NAMES) or any(len(content) > MOST_ENTRY_BYTES for content in entries.values()):
        raise ValueError(f"expected the entries {ENTRY_NAMES}, each of at most {MOST_ENTRY_BYTES:,} bytes")
    return _assemble(offset, {name: entries[name] for name in ENTRY_NAMES})


def unpack(data: bytes) -> tuple[int, dict[str, bytes]]:
    """Take the archive from the end of a file.

    Returns:
        The offset at which the archive begins, and the content of each entry.

    Raises:
        ModelFileError: it is not bit for bit what `pack` writes.
    """
    offset, entries = _read_directory(data)
    if _assemble(offset, entries) != data[offset:]:
        raise ModelFileError("damaged archive: its bytes are not those that its entries give")
    return offset, entries


def has_archive_end(data: bytes) -> bool:
    """Whether the file ends as a ZIP archive without a comment does."""
    return len(data) >= _END.size and data[-_END.size :].startswith(_END_MARK)


def has_archive_trace(data: bytes) -> bool:
    """Whether anything of our archive is in the file: the name of an entry, or the start of an archive at the very end."""
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
            f"damaged archive: {count} entries, expected {', '.join(ENTRY_NAMES)}, with nothing between or behind them"
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
            raise ModelFileError(f"damaged archive: entry {name.decode('utf-8', 'replace')!r} where {expected!r} should be")
        if size > MOST_ENTRY_BYTES:
            raise ModelFileError(f"entry {expected!r} of the archive has {size:,} bytes, at most {MOST_ENTRY_BYTES:,} are accepted")
        body = offset + _LOCAL.size + name_length
        yield offset, expected, data[body : body + size]
