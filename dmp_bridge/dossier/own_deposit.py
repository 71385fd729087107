"""What a patient adds to the own record by hand: which files, how large, under which words."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Final

from dmp_bridge import codes
from dmp_bridge.dossier.forms import Denied, Deposit
from dmp_bridge.findings import OFFER_BYTES
from dmp_bridge.rights.vocabulary import Reason
from dmp_bridge.sniff import FileType, name_fits, sniff
from foundation.clock import PARIS, to_millis

if TYPE_CHECKING:
    from datetime import date

    from dmp_bridge.visibility import Visibility

LARGEST: Final = OFFER_BYTES
"""Octets of one document (Mon espace santé: 5 Mo)."""
EXTENSIONS: Final = ("pdf", "txt", "rtf", "jpg", "jpeg", "png", "tif", "tiff")
_TYPES: Final = frozenset(
    {FileType.PDF, FileType.TEXT, FileType.RTF, FileType.JPEG, FileType.PNG, FileType.TIFF}
)
_LONGEST_TITLE: Final = 128
_FIRST_YEAR: Final = 1900
_EMPTY: Final = "Choisissez un fichier qui ne soit pas vide."
_TOO_LARGE: Final = "Ce fichier dépasse 5 Mo : choisissez-en un plus petit."
_OTHER_TYPE: Final = "Ce fichier n’est pas d’un type admis : pdf, txt, rtf, jpg, png ou tif."
_LYING_NAME: Final = (
    "Le contenu de ce fichier n’est pas celui que son nom annonce : enregistrez-le de nouveau."
)
_NO_TITLE: Final = "Donnez au document un titre de 128 caractères au plus."
_NO_CATEGORY: Final = "Choisissez une catégorie de la liste."
_NO_DATE: Final = "Donnez la date du document, au plus tard aujourd’hui."


# ref: DMP-F29, DMP-F30
def own_deposit(
    filename: str,
    data: bytes,
    *,
    title: str,
    category: str,
    day: date | None,
    today: date,
    visibilities: frozenset[Visibility],
) -> Deposit:
    """The deposit of a file whose bytes are what its name says. Raises Denied(INVALID) with a French sentence."""
    if not data:
        raise Denied(Reason.INVALID, _EMPTY)
    if len(data) > LARGEST:
        raise Denied(Reason.INVALID, _TOO_LARGE)
    found = sniff(data)
    if found not in _TYPES:
        raise Denied(Reason.INVALID, _OTHER_TYPE)
    if not name_fits(filename, found):
        raise Denied(Reason.INVALID, _LYING_NAME)
    title = " ".join(title.split())
    if not title or len(title) > _LONGEST_TITLE or not title.isprintable():
        raise Denied(Reason.INVALID, _NO_TITLE)
    if codes.patient_type(category) is None:
        raise Denied(Reason.INVALID, _NO_CATEGORY)
    if day is None or day > today or day.year < _FIRST_YEAR:
        raise Denied(Reason.INVALID, _NO_DATE)
    return Deposit(
        data=data,
        media_type=found.value,
        title=title,
        category=category,
        service_at=to_millis(datetime.combine(day, time(), PARIS)),
        visibilities=frozenset(each.value for each in visibilities),
    )
