from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dmp_bridge.archive import unpack
from dmp_bridge.check.folders import FolderRefused, pack
from tests.dmp_bridge.builders import cda, xdm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for entry in unpack(xdm(cda())).entries:
        path = tmp_path.joinpath("paquet", *entry.segments)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.data)
    return tmp_path / "paquet"


def test_a_folder_is_the_archive_that_was_unpacked_there(tree: Path) -> None:
    packed = {entry.name: entry.data for entry in unpack(pack(tree)).entries}
    assert packed == {entry.name: entry.data for entry in unpack(xdm(cda())).entries}


def test_the_folder_ihe_xdm_itself_can_be_named(tree: Path) -> None:
    names = {entry.name for entry in unpack(pack(tree / "IHE_XDM")).entries}
    assert names == {"IHE_XDM/SUBSET01/METADATA.XML", "IHE_XDM/SUBSET01/DOC00001.XML"}


def test_a_folder_without_a_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(FolderRefused):
        pack(tmp_path)


def test_links_are_not_followed(tree: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tree / "IHE_XDM" / "LIEN.TXT").symlink_to(secret)
    assert all(entry.data != b"secret" for entry in unpack(pack(tree)).entries)


def test_a_folder_of_too_many_files_is_refused(tree: Path) -> None:
    for number in range(1001):
        (tree / "IHE_XDM" / f"F{number}").write_bytes(b"")
    with pytest.raises(FolderRefused):
        pack(tree)
