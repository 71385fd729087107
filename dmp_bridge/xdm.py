"""Finds the documents of an IHE_XDM package in the untidy zips that real programs write (IHE ITI-32)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dmp_bridge.ebrim import Cx, DocumentEntry, MetadataFault, SubmissionSet, read_submission
from dmp_bridge.visibility import is_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dmp_bridge.archive import Archive, Entry

_METADATA = "metadata.xml"
_FOLDER = "ihe_xdm"
_MAX_SUBSETS = 100
_MAX_DOCUMENTS = 200
_SHA1_IN_BASE64 = 28
_SIGNATURE_FORMAT = "http://www.w3.org/2000/09/xmldsig#"
# Beside the documents a subset may hold what shows them (IHE ITI-32 §3.32.4.1.2.2: "other files allowed").
FURNITURE = (".xsl", ".xslt", ".css", ".htm", ".html", ".swp", ".db", ".ini", ".bak", ".tmp")


class PackageFault(StrEnum):
    """Why a whole package, or one document of it, is refused."""

    NO_FOLDER = "no_folder"
    NO_METADATA = "no_metadata"
    UNREADABLE_METADATA = "unreadable_metadata"
    TOO_MANY = "too_many"
    MISSING_FILE = "missing_file"
    OUTSIDE_FILE = "outside_file"
    WRONG_SIZE = "wrong_size"
    WRONG_HASH = "wrong_hash"


SENTENCES: dict[PackageFault, str] = {
    PackageFault.NO_FOLDER: "L'archive ne contient pas de dossier IHE_XDM.",
    PackageFault.NO_METADATA: "L'archive IHE_XDM ne contient pas de fichier METADATA.XML.",
    PackageFault.UNREADABLE_METADATA: "Le fichier METADATA.XML de l'archive n'est pas lisible.",
    PackageFault.TOO_MANY: "L'archive contient trop de documents.",
    PackageFault.MISSING_FILE: "Un document annoncé dans METADATA.XML est absent de l'archive.",
    PackageFault.OUTSIDE_FILE: "METADATA.XML désigne un document hors de l'archive.",
    PackageFault.WRONG_SIZE: "La taille du document ne correspond pas à METADATA.XML : il a pu être altéré.",
    PackageFault.WRONG_HASH: "L'empreinte du document ne correspond pas à METADATA.XML : il a pu être altéré.",
}


class PackageRefused(Exception):
    """No document of the package is taken; ``fault`` says why, ``faults`` all that was found.

    ``unseen`` tells that what was read of it announces a document the patient must not see, ``documents`` are those
    that could be found all the same.
    """

    def __init__(
        self, *faults: PackageFault, unseen: bool = False, documents: Sequence[PackagedDocument] = ()
    ) -> None:
        super().__init__(faults[0].value)
        self.fault = faults[0]
        self.faults = faults
        self.unseen = unseen
        self.documents = tuple(documents)


@dataclass(frozen=True, slots=True)
class PackagedDocument:
    """One announced document: its metadata, its file (None when missing) and what is wrong with it.

    ``submission_sets`` are all that announce this very content, ``patients`` whom these and its entries name.
    """

    entry: DocumentEntry
    submission_sets: tuple[SubmissionSet, ...]
    patients: tuple[Cx, ...]
    subset: str
    name: str
    data: bytes | None
    fault: PackageFault | None


@dataclass(frozen=True, slots=True)
class Repeated:
    """An entry whose file has the content of another one: where it is, and the number of the first in `documents`."""

    place: str
    first: int


@dataclass(frozen=True, slots=True)
class Package:
    """The documents of every subset, each once.

    ``repeated`` are those announced again with the same content, but for a second copy of the whole package.
    """

    documents: tuple[PackagedDocument, ...]
    repeated: tuple[Repeated, ...] = ()


@dataclass(frozen=True, slots=True)
class _Subset:
    metadata: Entry
    folder: tuple[str, ...]
    prefix: str  # "SUBSET01" where the slash after it was lost, else ""

    @property
    def label(self) -> str:
        return "/".join((*self.folder, self.prefix)) if self.prefix else "/".join(self.folder)


# ref: DMP-F1
def is_package(archive: Archive, filename: str) -> bool:
    """True when the zip means to be an IHE_XDM package: by its own name, its folder or its METADATA.XML."""
    if filename.lower().rpartition("/")[2].startswith("ihe_xdm"):
        return True
    return any(
        _FOLDER in map(str.lower, entry.segments) or entry.segments[-1].lower() == _METADATA
        for entry in archive.entries
        if not _is_noise(entry)
    )


# ref: DMP-F3
def read_package(archive: Archive) -> Package:
    """Every document of the package with its checks made; ``PackageRefused`` when there is none to speak of."""
    files = [entry for entry in archive.entries if not _is_noise(entry)]
    faults: list[PackageFault] = []
    inside = [entry for entry in files if _is_inside(entry)]
    if not inside:
        faults.append(PackageFault.NO_FOLDER)
    subsets = _subsets(inside or files)
    if not subsets:
        raise PackageRefused(*faults, PackageFault.NO_METADATA)
    tree = _Tree(files)
    documents: list[PackagedDocument] = []
    unreadable = 0
    unseen = False
    seen: dict[str, int] = {}
    also: dict[int, list[PackagedDocument]] = {}
    repeated: list[Repeated] = []
    for subset in subsets[:_MAX_SUBSETS]:
        try:
            submission = read_submission(subset.metadata.data)
        except MetadataFault:
            unreadable += 1
            continue
        for entry in submission.entries:
            if _is_signature(entry):
                continue
            unseen = unseen or is_unseen(code.code for code in entry.confidentiality_codes)
            document, key = _locate(entry, submission.submission_set, subset, tree)
            # A wrapper folder often holds the whole package a second time; what it says of it counts as well.
            if document.fault is None and key in seen:
                also.setdefault(seen[key], []).append(document)
                if not document.subset.endswith(f"/{documents[seen[key]].subset}"):
                    repeated.append(Repeated(f"{document.subset}/{document.name}", seen[key]))
                continue
            if document.fault is None:
                seen[key] = len(documents)
            documents.append(document)
            if len(documents) > _MAX_DOCUMENTS:
                raise PackageRefused(*faults, PackageFault.TOO_MANY, unseen=unseen)
    # A subset nobody can read may be about another person: nothing of the package is taken.
    if unreadable or not documents:
        faults.append(PackageFault.UNREADABLE_METADATA)
    if faults:
        raise PackageRefused(*faults, unseen=unseen, documents=documents)
    for index, others in also.items():
        documents[index] = _united([documents[index], *others])
    return Package(tuple(documents), tuple(repeated))


def _united(same: Sequence[PackagedDocument]) -> PackagedDocument:
    """The first document, under the codes of all its entries, in all their submission sets and about all they name."""
    first = same[0]
    codes = dict.fromkeys(code for each in same for code in each.entry.confidentiality_codes)
    return replace(
        first,
        entry=replace(first.entry, confidentiality_codes=tuple(codes)),
        submission_sets=tuple(lot for each in same for lot in each.submission_sets),
        patients=tuple(dict.fromkeys(patient for each in same for patient in each.patients)),
    )


def _is_noise(entry: Entry) -> bool:
    return any(segment.lower() == "__macosx" or segment.startswith(".") for segment in entry.segments)


def _is_inside(entry: Entry) -> bool:
    return any(segment.lower() == _FOLDER for segment in entry.segments[:-1])


def _subsets(files: list[Entry]) -> list[_Subset]:
    """The METADATA.XML of the package, the ones nearest to the root first."""
    found = []
    for entry in files:
        last = entry.segments[-1]
        if last.lower().endswith(_METADATA):
            found.append(_Subset(entry, entry.segments[:-1], last[: -len(_METADATA)]))
    return sorted(found, key=lambda subset: len(subset.folder))


def _is_signature(entry: DocumentEntry) -> bool:
    return entry.format_code is not None and entry.format_code.code == _SIGNATURE_FORMAT


class _Tree:
    """The files by name and by SHA-1, so that a long list of documents stays linear."""

    def __init__(self, files: list[Entry]) -> None:
        self._exact = {entry.segments: entry for entry in files}
        self._folded: dict[tuple[str, ...], Entry] = {}
        self._folders: dict[tuple[str, ...], list[Entry]] = {}
        self._hashes: dict[tuple[str, ...], str] = {}
        for entry in files:
            self._folded.setdefault(_fold(entry.segments), entry)
            self._folders.setdefault(entry.segments[:-1], []).append(entry)

    def find(self, name: tuple[str, ...]) -> Entry | None:
        return self._exact.get(name) or self._folded.get(_fold(name))

    def siblings(self, subset: _Subset) -> list[Entry]:
        """The files of a subset that can be documents."""
        return [
            entry
            for entry in self._folders.get(subset.folder, [])
            if entry is not subset.metadata and not entry.segments[-1].lower().endswith(FURNITURE)
        ]

    def sha1(self, entry: Entry) -> str:
        known = self._hashes.get(entry.segments)
        if known is None:
            known = hashlib.sha1(entry.data, usedforsecurity=False).hexdigest()
            self._hashes[entry.segments] = known
        return known


def _fold(segments: Iterable[str]) -> tuple[str, ...]:
    """Names as they are compared: without case, and accents written in one way (macOS takes them apart)."""
    return tuple(unicodedata.normalize("NFC", segment).casefold() for segment in segments)


# ref: DMP-F5
def _locate(
    entry: DocumentEntry, submission_set: SubmissionSet | None, subset: _Subset, tree: _Tree
) -> tuple[PackagedDocument, str]:
    """The document of one entry, and its SHA-1 ("" without a file)."""
    sets = () if submission_set is None else (submission_set,)
    patients = tuple(each.patient_id for each in (entry, *sets) if each.patient_id is not None)
    found: Entry | PackageFault
    found = _by_uri(entry.uri, subset, tree) if entry.uri else _without_uri(entry, subset, tree)
    if found is PackageFault.MISSING_FILE and entry.uri:
        found = _from_above(entry.uri, subset, tree) or _misspelt(entry, subset, tree) or found
    if isinstance(found, PackageFault):
        return PackagedDocument(entry, sets, patients, subset.label, entry.uri or "", None, found), ""
    digest = tree.sha1(found)
    fault = None
    # IHE ITI-32 §3.32.4.1.4 asks for both checks; what is not announced cannot be compared.
    if entry.size is not None and entry.size != len(found.data):
        fault = PackageFault.WRONG_SIZE
    elif entry.hash and _hex(entry.hash) != digest:
        fault = PackageFault.WRONG_HASH
    name = found.segments[-1]
    return PackagedDocument(entry, sets, patients, subset.label, name, found.data, fault), digest


def _by_uri(uri: str, subset: _Subset, tree: _Tree) -> Entry | PackageFault:
    """What a URI names; a file may bear the percent signs in its name."""
    found = _resolve(unquote(uri), subset, tree)
    written = _resolve(uri, subset, tree) if isinstance(found, PackageFault) and "%" in uri else found
    return found if isinstance(written, PackageFault) else written


def _resolve(uri: str, subset: _Subset, tree: _Tree) -> Entry | PackageFault:
    """A URI is relative to its METADATA.XML and may climb with ``../``, but never out of the archive."""
    wanted: list[str] = list(subset.folder)
    for segment in uri.replace("\\", "/").split("/")[:50]:
        if segment in ("", "."):
            continue
        if segment == "..":
            if not wanted:
                return PackageFault.OUTSIDE_FILE
            wanted.pop()
        else:
            wanted.append(segment)
    if not wanted:
        return PackageFault.MISSING_FILE
    found = tree.find(tuple(wanted))
    if found is None and subset.prefix:
        found = tree.find((*wanted[:-1], subset.prefix + wanted[-1]))
    return found or PackageFault.MISSING_FILE


def _without_uri(entry: DocumentEntry, subset: _Subset, tree: _Tree) -> Entry | PackageFault:
    """The one file it can be: that with the announced SHA-1, else the only document of the subset."""
    siblings = tree.siblings(subset)
    only = siblings[0] if len(siblings) == 1 else None
    return _by_hash(entry, subset, tree) or only or PackageFault.MISSING_FILE


def _by_hash(entry: DocumentEntry, subset: _Subset, tree: _Tree) -> Entry | None:
    if not entry.hash:
        return None
    wanted = _hex(entry.hash)
    return next((file for file in tree.siblings(subset) if tree.sha1(file) == wanted), None)


def _from_above(uri: str, subset: _Subset, tree: _Tree) -> Entry | None:
    """Some producers write it from the root of the archive, or from a folder on the way to METADATA.XML."""
    segments = tuple(
        segment for segment in unquote(uri).replace("\\", "/").split("/")[:50] if segment not in ("", ".")
    )
    if not segments or ".." in segments:
        return None
    above = (subset.folder[:depth] for depth in range(len(subset.folder)))
    return next((found for folder in above if (found := tree.find((*folder, *segments)))), None)


def _misspelt(entry: DocumentEntry, subset: _Subset, tree: _Tree) -> Entry | None:
    """A name with accents is often in a code page that a zip cannot tell: the SHA-1 is then what is left to go by."""
    return None if unquote(entry.uri or "").isascii() else _by_hash(entry, subset, tree)


def _hex(text: str) -> str:
    """A SHA-1 in hexadecimal; some producers write it in base64, as FHIR does."""
    if len(text) == _SHA1_IN_BASE64:
        try:
            return base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            return text
    return text.lower()
