"""`vaguemestre bridge` on hostile files: nothing is written anywhere, and memory stays bounded."""

from __future__ import annotations

import io
import json
import os
import resource
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dmp_bridge.builders import cda, entry, metadata, n1_body, n3_body, xdm, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = str(Path(sys.executable).with_name("vaguemestre"))
ADDRESS_SPACE = 2 * 1024**3
RESIDENT = 450 * 1024**2
SUBSET = "IHE_XDM/SUBSET01/"
SECRET = "a line of a file that nobody may read"


def escaping(name: str, *, mode: int = 0) -> bytes:
    """A good package with one more file, under a name that leads elsewhere."""
    out = io.BytesIO(xdm(cda()))
    with zipfile.ZipFile(out, "a") as package:
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = name
        info.external_attr = mode << 16
        package.writestr(info, b"/etc/passwd" if mode else b"outside")
    return out.getvalue()


def packed(document: bytes, described: bytes | None = None) -> bytes:
    data = metadata(entry("DOC00001.XML", document)) if described is None else described
    return zipped({f"{SUBSET}METADATA.XML": data, f"{SUBSET}DOC00001.XML": document})


def bomb(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(f"{SUBSET}METADATA.XML", metadata(entry("DOC00001.XML", b"")))
        with package.open(f"{SUBSET}DOC00001.XML", "w") as file:
            for _ in range(size // 1024**2):
                file.write(bytes(1024**2))
    return out.getvalue()


def overlapping() -> bytes:
    """Many entries on one body (the way of zbsm): little on disk, much once inflated."""
    body = zlib.compress(bytes(5_000_000), 9)[2:-4]
    crc = zlib.crc32(bytes(5_000_000))
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(body), 5_000_000, 1, 0) + b"a"
    records = b"".join(
        struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(body), 5_000_000, 4, 0, 0, 0, 0, 0, 0
        )
        + f"{number:04}".encode()
        for number in range(900)
    )
    start = len(local) + len(body)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 900, 900, len(records), start, 0)
    return local + body + records + end


def laughing() -> bytes:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a9;</x>'.encode()


def reading(path: str) -> bytes:
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file://{path}">]><x>&a;</x>'.encode()


HOSTILE: dict[str, Callable[[str], bytes]] = {
    "a name that climbs": lambda _: escaping("../outside.pdf"),
    "a name that climbs far": lambda _: escaping("../" * 30 + "tmp/outside.pdf"),
    "a name with backslashes": lambda _: escaping("..\\..\\outside.pdf"),
    "an absolute name": lambda path: escaping(f"{path}.outside"),
    "a drive": lambda _: escaping("C:\\outside.pdf"),
    "a link": lambda _: escaping("link", mode=stat.S_IFLNK | 0o777),
    "a device": lambda _: escaping("device", mode=stat.S_IFCHR | 0o666),
    "a name of controls": lambda _: escaping("a\x1b]0;x\x07\r\n.pdf"),
    "a uri that climbs": lambda path: packed(
        cda(), metadata(entry("x", cda(), uri="../" * 20 + path.lstrip("/")))
    ),
    "a uri of a file": lambda path: packed(cda(), metadata(entry("x", cda(), uri=f"file://{path}"))),
    "a bomb": lambda _: bomb(400 * 1024**2),
    "a bomb of many bodies": lambda _: overlapping(),
    "many entries": lambda _: zipped({f"IHE_XDM/{number}": b"" for number in range(60_000)}),
    "a zip in a zip in a zip": lambda _: zipped({"IHE_XDM.zip": zipped({"IHE_XDM.zip": bomb(20 * 1024**2)})}),
    "laughs in the metadata": lambda _: packed(cda(), laughing()),
    "laughs in the document": lambda _: packed(laughing()),
    "a file read by the metadata": lambda path: packed(cda(), reading(path)),
    "a file read by the document": lambda path: packed(reading(path)),
    "deep metadata": lambda _: packed(cda(), b"<a>" * 500_000),
    "a deep document": lambda _: packed(cda(body=n3_body(("x", "<list><item>" * 50_000)))),
    "a wide document": lambda _: packed(cda(body=n3_body(("x", "<br/>" * 2_000_000)))),
    "a large file in a document": lambda _: packed(cda(body=n1_body(b"%PDF-1.4\n" + os.urandom(40 * 1024**2)))),
    "many attributes": lambda _: packed(cda(), b"<a " + b" ".join(b'a%d=""' % n for n in range(500_000)) + b"/>"),
    "an endless end": lambda _: b"PK\x05\x06" * 2_000_000,
    "only a beginning": lambda _: xdm(cda())[:-40],
}  # fmt: skip


def confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time: what a program that writes would change."""
    found = [path for path in folder.rglob("*") if not path.is_dir()]
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


MEASURE = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[2:])
with open(sys.argv[1], "w") as told:
    told.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))
sys.exit(ended.returncode)
"""


# ref: DMP-F2, DMP-F42
@pytest.mark.parametrize("group", range(3))
def test_hostile_files_are_told_in_words_and_leave_no_trace(group: int, tmp_path: Path) -> None:
    for folder in ("home", "here", "tmp", "told"):
        (tmp_path / folder).mkdir()
    secret, told = tmp_path / "secret.txt", tmp_path / "told" / "peak"
    secret.write_text(SECRET)
    names = sorted(HOSTILE)[group::3]
    files = {f"ihe_xdm{number}.zip": HOSTILE[name](str(secret)) for number, name in enumerate(names)}
    for name, data in files.items():
        (tmp_path / "here" / name).write_bytes(data)
    told.touch()
    before = tree(tmp_path)
    ended = subprocess.run(
        # A small process between: what it measures is the program, not the size of the tests.
        [sys.executable, "-c", MEASURE, str(told), PROGRAM, "bridge", "--json", *files],
        cwd=tmp_path / "here",
        env={**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        preexec_fn=confine,
        timeout=170,
        check=False,
    )
    assert ended.returncode in (0, 1), ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.stderr.count(b"\n") <= 1
    rows = json.loads(ended.stdout)
    assert {row["file"] for row in rows} == set(files)
    assert all(row["sentence"] or row["kind"] == "xdm_document" for row in rows)
    assert SECRET not in ended.stdout.decode()
    peak = int(told.read_text())
    assert 20 * 1024**2 < peak < RESIDENT
    after = tree(tmp_path)
    assert after.pop(str(told)) != before.pop(str(told))
    assert after == before
    assert not Path("/tmp/outside.pdf").exists()


def test_the_measure_sees_a_program_that_takes_more(tmp_path: Path) -> None:
    greedy = f"x = bytearray({ADDRESS_SPACE})"
    assert subprocess.run(
        [sys.executable, "-c", greedy], preexec_fn=confine, stderr=subprocess.DEVNULL, check=False
    ).returncode
    (tmp_path / "a").write_bytes(b"")
    before = tree(tmp_path)
    (tmp_path / "b").write_bytes(b"")
    assert tree(tmp_path) != before
