"""Model files as accidents and adversaries make them: real ones with something changed. The same seed gives the same file."""

import hashlib
import json
import struct
from random import Random
from typing import Any

from edge_runtime.model.archive import pack, unpack
from edge_runtime.model.model_file import MODELS

FILES = [path.read_bytes() for path in sorted(MODELS.glob("*.tflite"))]
PLAIN = [data[: unpack(data)[0]] for data in FILES]
_EXTREMES = (0, 1, 3, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
_VALUES = (None, True, -1, 0, 2**63, 10**400, 1e308, -0.5, "", "\x00", "\ud800", "x" * 10_000, [], [[]], {}, {"": None})


def mutated_file(seed: int) -> bytes:
    """A file with an archive, or without one, changed in one to six ways."""
    random = Random(seed)
    data = random.choice(FILES if random.random() < 0.6 else PLAIN)
    if data in FILES and random.random() < 0.4:
        return _repacked(random, data)
    for _ in range(random.randint(1, 6)):
        data = _mutated(random, data)
    return data


def mutated_plain_file(seed: int) -> bytes:
    """A FlatBuffer alone in which some bytes of its structure changed, so that many of them still reach an interpreter."""
    random = Random(seed)
    data = bytearray(random.choice(PLAIN))
    for _ in range(random.randint(1, 20)):
        place = random.randrange(max(0, len(data) - 8_000), len(data) - 4)
        if random.random() < 0.3:
            struct.pack_into("<I", data, place & ~3, random.choice(_EXTREMES))
        else:
            data[place] = random.randrange(256)
    return bytes(data)


def _mutated(random: Random, data: bytes) -> bytes:
    """One accident: bits flipped, a word overwritten, a piece cut out, doubled, blanked, moved or taken from another file, the end lost."""
    if len(data) < 16:
        return data + random.randbytes(16)
    start = random.randrange(len(data))
    end = min(len(data), start + random.choice((1, 4, 22, 100, 5_000)))
    kind = random.randrange(8)
    if kind == 0:
        place = random.randrange(8 * len(data))
        return data[: place // 8] + bytes([data[place // 8] ^ 1 << place % 8]) + data[place // 8 + 1 :]
    if kind == 1:
        place = start & ~3
        return data[:place] + struct.pack("<I", random.choice(_EXTREMES)) + data[place + 4 :]
    other = random.choice(FILES)
    middle = {
        2: b"",
        3: data[start:end] * 2,
        4: bytes(end - start),
        5: random.randbytes(end - start),
        6: other[start:end],
    }.get(kind)
    return data[:start] if middle is None else data[:start] + middle + data[end:]


def _repacked(random: Random, data: bytes) -> bytes:
    """An adversary's file: an archive that is right, around entries that are not, or around a FlatBuffer that is not, with its hash."""
    offset, entries = unpack(data)
    flatbuffer, manifest = data[:offset], json.loads(entries["manifest.json"])
    kind = random.randrange(4)
    if kind == 0:
        name = random.choice(sorted(entries))
        entries = {**entries, name: _mutated(random, entries[name])}
    elif kind == 1:
        flatbuffer = _mutated(random, flatbuffer)
        manifest["flatbuffer"] = {"bytes": len(flatbuffer), "sha256": hashlib.sha256(flatbuffer).hexdigest()}
    else:
        _change(random, manifest)
    if kind:
        entries = {**entries, "manifest.json": json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()}
    return flatbuffer + pack(len(flatbuffer), entries)


def _change(random: Random, value: Any) -> None:
    """Put another value somewhere into nested JSON."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = random.choice(keys)
        deeper = value[key]
        if not (isinstance(deeper, dict | list) and deeper) or random.random() < 0.2:
            value[key] = random.choice(_VALUES)
            return
        value = deeper
