"""The archive codec: any ZIP tool reads it, and it accepts nothing but what it writes."""

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import ModelFileError
from edge_runtime.model.archive import ENTRY_NAMES, MAX_ENTRY_BYTES, has_archive_end, has_archive_trace, pack, unpack

PREFIX = b"\x1c\0\0\0TFL3" + bytes(56)
COUNTED = r"it has 3 entries, expected manifest\.json, labels\.txt, golden\.npz with nothing between or after them"
CONTENTS = st.fixed_dictionaries({name: st.binary(max_size=2_000) for name in ENTRY_NAMES})
SAMPLE = {"manifest.json": b'{"name":"x"}' * 20, "labels.txt": b"0\n1\n", "golden.npz": bytes(range(256)) * 4}


@given(CONTENTS, st.binary(max_size=100))
def test_what_is_packed_is_unpacked(entries: dict[str, bytes], prefix: bytes) -> None:
    """Any contents behind any prefix come back, with the offset at which the archive begins."""
    assert unpack(prefix + pack(len(prefix), entries)) == (len(prefix), entries)


@given(CONTENTS)
def test_python_reads_it_as_a_zip(entries: dict[str, bytes]) -> None:
    """The standard library lists the entries in order, finds the contents and no fault."""
    with zipfile.ZipFile(io.BytesIO(PREFIX + pack(len(PREFIX), entries))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(ENTRY_NAMES)
        assert {name: archive.read(name) for name in ENTRY_NAMES} == entries


def test_every_flipped_bit_is_noticed() -> None:
    """Whichever bit of the archive flips, it is refused, or no longer taken for an archive's end but for a trace of one."""
    data = PREFIX + pack(len(PREFIX), SAMPLE)
    for position in range(len(PREFIX) * 8, len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        assert has_archive_trace(bytes(flipped))
        if has_archive_end(bytes(flipped)):
            with pytest.raises(ModelFileError):
                unpack(bytes(flipped))


@pytest.mark.parametrize("cut", range(1, 60))
def test_what_is_cut_off_at_the_end_is_noticed(cut: int) -> None:
    """A truncated archive has no end, but a trace."""
    data = (PREFIX + pack(len(PREFIX), SAMPLE))[:-cut]
    assert has_archive_trace(data)
    assert not has_archive_end(data)


def test_inserted_bytes_are_noticed() -> None:
    """Bytes between prefix and archive shift every offset; they are refused."""
    with pytest.raises(ModelFileError, match="damaged archive"):
        unpack(PREFIX + bytes(16) + pack(len(PREFIX), SAMPLE))


def _zip(names: list[str]) -> bytes:
    stream = io.BytesIO()
    stream.write(PREFIX)
    with zipfile.ZipFile(stream, "a") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [
        ["manifest.json", "manifest.json", "golden.npz"],
        ["../manifest.json", "labels.txt", "golden.npz"],
        ["manifest.json", "labels.txt", "golden.npz", "more.txt"],
        ["manifest.json"],
        ["golden.npz", "labels.txt", "manifest.json"],
    ],
)
def test_archives_of_others_are_refused(names: list[str]) -> None:
    """Doubled, unknown, missing, climbing or disordered names."""
    with pytest.raises(ModelFileError, match="damaged archive"):
        unpack(_zip(names))


def test_an_archive_that_another_tool_wrote_is_refused() -> None:
    """The right entries, but with a time stamp and other flags."""
    with pytest.raises(ModelFileError, match=r"^damaged archive: it is not byte-identical to one rebuilt from its entries$"):
        unpack(_zip(list(ENTRY_NAMES)))


def test_an_entry_that_claims_to_be_huge_is_refused() -> None:
    """The stated size is checked before anything is unpacked."""
    data = bytearray(PREFIX + pack(len(PREFIX), SAMPLE))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = (MAX_ENTRY_BYTES + 1).to_bytes(4, "little")
    with pytest.raises(ModelFileError, match="at most"):
        unpack(bytes(data))


def test_an_entry_may_be_as_large_as_allowed() -> None:
    """65,536 bytes are; one more is refused, by who writes and by who reads."""
    entries = {**SAMPLE, "golden.npz": bytes(65_536)}
    assert unpack(PREFIX + pack(len(PREFIX), entries)) == (len(PREFIX), entries)


def _end(entries: int, size: int, start: int) -> bytes:
    """The last record of a ZIP, by the words of APPNOTE.TXT 4.3.16."""
    return b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, entries, entries, size, start, 0)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (PREFIX + b"PK\x01\x02" + _end(3, 4, len(PREFIX)), "its directory cannot be read"),
        (PREFIX + bytes(200) + _end(3, 200, len(PREFIX)), "its directory cannot be read"),
        (PREFIX + bytes(200) + _end(3, 199, len(PREFIX)), COUNTED),
        (PREFIX + bytes(200) + _end(3, 200, len(PREFIX) - 1), COUNTED),
        (PREFIX + bytes(200) + _end(4, 200, len(PREFIX)), COUNTED.replace("3 entries", "4 entries")),
    ],
    ids=["directory cut off", "no directory", "smaller than it is", "begins elsewhere", "too many entries"],
)
def test_an_end_record_that_lies_is_refused(data: bytes, cause: str) -> None:
    """Made by hand: the directory that it points to is not there, or not as long, or not of as many entries."""
    with pytest.raises(ModelFileError, match=f"^damaged archive: {cause}$"):
        unpack(data)


def test_an_end_is_a_whole_record() -> None:
    """22 bytes are an archive's end, of which one with nothing in it consists; 21 are not."""
    assert has_archive_end(_end(0, 0, 0))
    assert not has_archive_end(_end(0, 0, 0)[:-1])


@pytest.mark.parametrize("trace", [b"manifest.json", b"golden.npz"])
def test_the_name_of_an_entry_is_a_trace(trace: bytes) -> None:
    """Either of those that nobody else's archives have, wherever it stands; labels.txt is TFLite Metadata's as well."""
    assert has_archive_trace(PREFIX + trace + PREFIX * 2)
    assert not has_archive_trace(PREFIX + b"labels.txt" + PREFIX * 2)


def test_the_beginning_of_an_archive_at_the_end_is_a_trace() -> None:
    """All but the last byte of the first entry's header and name; bytes that look like it further in are chance."""
    cut = pack(len(PREFIX), SAMPLE)[: 30 + len("manifest.json") - 1]
    assert has_archive_trace(PREFIX + cut)
    assert has_archive_trace(PREFIX + cut[:4])
    assert not has_archive_trace(PREFIX + b"PK\x03\x04" + bytes(40))


@pytest.mark.parametrize("entries", [{}, {**SAMPLE, "x": b""}, {**SAMPLE, "golden.npz": bytes(MAX_ENTRY_BYTES + 1)}])
def test_only_the_known_entries_are_packed(entries: dict[str, bytes]) -> None:
    """A missing, an unknown and a too large entry are the caller's mistake."""
    with pytest.raises(ValueError, match="expected the entries"):
        pack(0, entries)


@given(st.binary(max_size=300))
def test_random_ends_are_refused(noise: bytes) -> None:
    """Noise that ends like an archive is refused, whatever it is."""
    data = PREFIX + noise + b"PK\x05\x06" + noise[:18].ljust(18, b"\0")
    with pytest.raises(ModelFileError):
        unpack(data)
