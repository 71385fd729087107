"""What goes wrong in a transaction of XDS, as RegistryError tells it (IHE ITI TF-3 §4.2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dmp_bridge.dossier.denials import DENIALS

if TYPE_CHECKING:
    from dmp_bridge.dossier.forms import Denied

_SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"


class ErrorCode(StrEnum):
    """The codes this interface itself tells (TF-3 table 4.2.4.1-2); those of the desk stand in `DENIALS`."""

    MISSING_DOCUMENT = "XDSMissingDocument"
    MISSING_METADATA = "XDSMissingDocumentMetadata"
    REGISTRY_METADATA = "XDSRegistryMetadataError"
    REPOSITORY = "XDSRepositoryError"
    REGISTRY = "XDSRegistryError"
    UNKNOWN_REPOSITORY = "XDSUnknownRepositoryId"
    UNKNOWN_DOCUMENT = "XDSDocumentUniqueIdError"
    PATIENT_DIFFERS = "XDSPatientIdDoesNotMatch"
    UNKNOWN_QUERY = "XDSUnknownStoredQuery"
    MISSING_PARAMETER = "XDSStoredQueryMissingParam"
    PARAMETER_NUMBER = "XDSStoredQueryParamNumber"
    TOO_MANY_RESULTS = "XDSTooManyResults"
    NOT_SAVED = "XDSExtraMetadataNotSaved"
    UPDATE = "XDSMetadataUpdateError"
    UPDATE_OPERATION = "XDSMetadataUpdateOperationError"
    UNRESOLVED = "UnresolvedReferenceException"
    DEPRECATED = "XDSRegistryDeprecatedDocumentError"


class Severity(StrEnum):
    """Whether the transaction failed by it."""

    ERROR = f"{_SEVERITY}Error"
    WARNING = f"{_SEVERITY}Warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One RegistryError: `context` is a French sentence, `location` what it is about (an id of the message)."""

    code: str
    context: str
    location: str = ""
    severity: Severity = Severity.ERROR


class Failed(Exception):
    """A transaction that fails as a whole."""

    def __init__(self, code: ErrorCode, context: str, location: str = "") -> None:
        super().__init__(code.value)
        self.problem = Problem(code.value, context, location)


# ref: DMP-F35
def problem_of(denied: Denied, location: str = "", *, code: str = "") -> Problem:
    """How the refusal of the desk is told here; `code` where the transaction has one of its own for the reason."""
    denial = DENIALS[denied.reason]
    sentences = [denial.sentence, denied.detail or denial.advice]
    return Problem(code or denial.xds_error, " ".join(each for each in sentences if each), location)
