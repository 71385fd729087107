from __future__ import annotations

import io
import struct
import warnings
import zipfile

import pytest

from dmp_bridge.archive import Archive, ArchiveFault, ArchiveLimits, ArchiveRefused, IgnoredBecause, unpack
from tests.dmp_bridge.builders import zipped

SYMLINK = 0o120777 << 16


def refused(data: bytes, limits: ArchiveLimits | None = None) -> ArchiveFault:
    with pytest.raises(ArchiveRefused) as caught:
        unpack(data, limits or ArchiveLimits())
    return caught.value.fault


def with_entries(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the second entry with a name
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, data in entries:
                opened.writestr(name, data)
    return buffer.getvalue()


def names(archive: Archive) -> list[str]:
    return [entry.name for entry in archive.entries]


def test_it_unpacks_files_and_leaves_folders_out() -> None:
    archive = unpack(with_entries(("IHE_XDM/", b""), ("IHE_XDM/A.XML", b"a"), ("./b//C.TXT", b"c")))
    assert [(entry.segments, entry.data) for entry in archive.entries] == [
        (("IHE_XDM", "A.XML"), b"a"),
        (("b", "C.TXT"), b"c"),
    ]


# ref: DMP-F2
@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("../outside.pdf", IgnoredBecause.CLIMBS),
        ("a/../../outside.pdf", IgnoredBecause.CLIMBS),
        ("..\\outside.pdf", IgnoredBecause.CLIMBS),
        ("/etc/passwd", IgnoredBecause.ABSOLUTE),
        ("C:\\Windows\\x.exe", IgnoredBecause.ABSOLUTE),
        ("c:x.exe", IgnoredBecause.ABSOLUTE),
        ("\\\\server\\share\\x", IgnoredBecause.ABSOLUTE),
        ("a\nb.txt", IgnoredBecause.NAME),
        ("x" * 2000, IgnoredBecause.NAME),
    ],
)
def test_a_name_that_leads_elsewhere_is_left_out(name: str, because: IgnoredBecause) -> None:
    archive = unpack(with_entries(("good.txt", b"good"), (name, b"bad")))
    assert names(archive) == ["good.txt"]
    assert [ignored.because for ignored in archive.ignored] == [because]


def test_a_backslash_is_a_separator_of_names() -> None:
    assert names(unpack(with_entries(("IHE_XDM\\SUBSET01\\METADATA.XML", b"x")))) == [
        "IHE_XDM/SUBSET01/METADATA.XML"
    ]


def test_a_symbolic_link_is_left_out() -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, SYMLINK
    archive = unpack(with_entries((link, b"/etc/passwd"), ("a", b"a")))
    assert (names(archive), archive.ignored[0].because) == (["a"], IgnoredBecause.LINK)


def test_the_same_file_twice_is_read_once() -> None:
    archive = unpack(with_entries(("a", b"same"), ("a", b"same")))
    assert (names(archive), archive.ignored[0].because) == (["a"], IgnoredBecause.REPEATED)


def test_two_files_of_one_name_are_refused() -> None:
    assert refused(with_entries(("a", b"one"), ("a", b"two"))) is ArchiveFault.CONTRADICTORY
    assert refused(with_entries(("x/a", b"one"), ("x\\a", b"two"))) is ArchiveFault.CONTRADICTORY


# ref: DMP-F2
def test_a_bomb_is_refused_while_it_inflates() -> None:
    assert refused(zipped({"zeros": b"\x00" * 50_000_000})) is ArchiveFault.BOMB


def test_a_small_file_may_be_very_compressible() -> None:
    assert len(unpack(zipped({"blank": b" " * 500_000})).entries[0].data) == 500_000


def test_the_total_counts_over_all_entries() -> None:
    data = zipped(dict.fromkeys("abcdef", b"\x00" * 400))
    assert refused(data, ArchiveLimits(total_bytes=2000)) is ArchiveFault.TOO_LARGE
    assert len(unpack(data, ArchiveLimits(total_bytes=2400)).entries) == 6


def test_entries_that_share_one_body_still_count_each() -> None:
    data = bytearray(zipped({"a": b"\x00" * 900_000}))
    end = data.rfind(b"PK\x05\x06")
    start = struct.unpack_from("<I", data, end + 16)[0]
    record = bytes(data[start:end])
    copies = b"".join(record[:-1] + bytes([ord("a") + number]) for number in range(20))
    forged = bytes(data[:start]) + copies + bytes(data[end:])
    patched = bytearray(forged)
    struct.pack_into("<HHI", patched, len(patched) - 22 + 8, 20, 20, len(copies))
    with pytest.raises(ArchiveRefused):
        unpack(bytes(patched), ArchiveLimits(total_bytes=5_000_000))


def test_too_many_entries_are_refused() -> None:
    data = zipped({f"{number}": b"" for number in range(30)})
    assert refused(data, ArchiveLimits(entries=29)) is ArchiveFault.TOO_MANY_ENTRIES
    assert len(unpack(data, ArchiveLimits(entries=30)).entries) == 30


def test_a_false_count_in_the_end_record_does_not_hide_entries() -> None:
    data = bytearray(zipped({f"{number}": b"" for number in range(30)}))
    struct.pack_into("<HH", data, len(data) - 22 + 8, 1, 1)
    assert refused(bytes(data), ArchiveLimits(entries=29)) is ArchiveFault.TOO_MANY_ENTRIES


# ref: DMP-F2
def test_an_encrypted_entry_is_refused() -> None:
    data = bytearray(zipped({"a": b"secret"}))
    data[6] |= 1
    record = data.rfind(b"PK\x01\x02")
    data[record + 8] |= 1
    assert refused(bytes(data)) is ArchiveFault.ENCRYPTED


def test_a_wrong_checksum_is_refused() -> None:
    data = bytearray(zipped({"a": b"some text that is compressed"}))
    record = data.rfind(b"PK\x01\x02")
    data[record + 16] ^= 0xFF
    data[14] ^= 0xFF
    assert refused(bytes(data)) is ArchiveFault.DAMAGED


@pytest.mark.parametrize("claimed", [1, 5, 4_000_000_000])
def test_a_size_that_lies_is_refused(claimed: int) -> None:
    data = bytearray(zipped({"a": b"0123456789" * 100}))
    record = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, record + 24, claimed)
    struct.pack_into("<I", data, 22, claimed)
    assert refused(bytes(data)) is ArchiveFault.DAMAGED


def test_an_unusual_compression_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("a", b"a" * 100)
    assert refused(buffer.getvalue()) is ArchiveFault.UNSUPPORTED


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_not_a_zip_is_refused(data: bytes) -> None:
    assert refused(data) in (ArchiveFault.NOT_A_ZIP, ArchiveFault.DAMAGED)


def test_every_truncation_is_refused_in_words() -> None:
    data = zipped({"a": b"some text that is compressed", "b": b"x" * 300})
    for end in range(len(data)):
        with pytest.raises(ArchiveRefused):
            unpack(data[:end])


def test_a_zip_within_stays_closed() -> None:
    inner = zipped({"deep": b"\x00" * 10_000_000})
    assert unpack(zipped({"inner.zip": inner})).entries[0].data == inner


def test_names_are_read_in_utf8_even_without_its_flag() -> None:
    assert names(unpack(zipped({"été.txt": b"x"}))) == ["été.txt"]
    unflagged = zipped({"ete.txt": b"x"}).replace(b"ete.txt", "é.tx".encode() + b"tt")
    assert names(unpack(unflagged)) == ["é.txtt"]
    in_cp437 = zipped({"ete.txt": b"x"}).replace(b"ete.txt", "été.txt".encode("cp437"))
    assert names(unpack(in_cp437)) == ["été.txt"]


def test_words_before_and_after_the_zip_do_no_harm() -> None:
    data = zipped({"a": b"a"})
    assert names(unpack(b"prefix" + data)) == ["a"]
