"""Each way in which a liste blanche is not taken, in one table: code, English and French sentence."""

from __future__ import annotations

from enum import StrEnum


class ListFault(StrEnum):
    """Why a white list is refused; the value is the stable code that logs, commands and pages show."""

    english: str
    french: str

    def __new__(cls, code: str, english: str, french: str) -> ListFault:
        fault = str.__new__(cls, code)
        fault._value_ = code
        fault.english = english
        fault.french = french
        return fault

    # What the file is ------------------------------------------------------------------------------------
    TOO_LARGE = "MSS-201", "it is larger than a white list may be", "Le fichier est trop volumineux."
    NOT_XML = (
        "MSS-202",
        "it is not well-formed XML in UTF-8",
        "Le fichier n'est pas du XML bien formé en UTF-8.",
    )
    DOCTYPE = "MSS-203", "it has a DOCTYPE", "Le fichier contient un DOCTYPE, ce qui n'est pas admis."
    TRUNCATED = "MSS-204", "it is cut off before its end", "Le fichier est tronqué, sa fin manque."
    WRONG_ROOT = (
        "MSS-205",
        "its root is not ListeBlancheMSSante of the official namespace",
        "L'élément racine n'est pas celui d'une liste blanche MSSanté.",
    )
    GRAMMAR = (
        "MSS-206",
        "it does not follow the grammar of the white list",
        "Le fichier ne suit pas la grammaire de la liste blanche.",
    )
    NO_DATE = (
        "MSS-207",
        "it has no readable date of generation",
        "La date de génération manque ou n'est pas lisible.",
    )
    FUTURE_DATE = (
        "MSS-208",
        "its date of generation lies in the future",
        "La date de génération est dans le futur.",
    )
    TOO_MANY = "MSS-209", "it has more entries than a list may have", "La liste a trop d'entrées."
    EMPTY = "MSS-210", "it has no usable entry", "La liste n'a aucune entrée utilisable."
    UNREADABLE_NAMES = (
        "MSS-211",
        "too many of its certificate names cannot be read",
        "Trop de noms (DN) de certificats sont illisibles.",
    )
    # How it is signed ------------------------------------------------------------------------------------
    UNSIGNED = "MSS-220", "it is not signed", "La liste n'est pas signée."
    SEVERAL_SIGNATURES = (
        "MSS-221",
        "it has more than one signature",
        "La liste porte plus d'une signature.",
    )
    SIGNATURE_ELSEWHERE = (
        "MSS-222",
        "its signature is not the last child of the root",
        "La signature n'est pas à sa place, en dernier dans l'élément racine.",
    )
    SIGNATURE_MALFORMED = (
        "MSS-223",
        "its signature does not have the shape of the profile",
        "La signature n'a pas la forme attendue.",
    )
    ALGORITHM = (
        "MSS-224",
        "its signature uses an algorithm that is not allowed",
        "La signature emploie un algorithme qui n'est pas admis.",
    )
    TRANSFORM = (
        "MSS-225",
        "its signature uses a transform that is not allowed",
        "La signature emploie une transformation qui n'est pas admise.",
    )
    REFERENCE = (
        "MSS-226",
        "its signature does not cover the whole list",
        "La signature ne porte pas sur toute la liste.",
    )
    DUPLICATE_ID = (
        "MSS-227",
        "two of its elements have the same Id",
        "Deux éléments portent le même identifiant (Id).",
    )
    DIGEST = (
        "MSS-228",
        "its content is not what was signed",
        "Le contenu de la liste n'est pas celui qui a été signé.",
    )
    SIGNATURE_VALUE = (
        "MSS-229",
        "its signature value is wrong",
        "La valeur de la signature est fausse.",
    )
    # Who signed it ---------------------------------------------------------------------------------------
    SIGNER_UNREADABLE = (
        "MSS-230",
        "the certificate of its signer is missing or cannot be read",
        "Le certificat du signataire manque ou n'est pas lisible.",
    )
    SIGNER_UNKNOWN = (
        "MSS-231",
        "the certificate of its signer does not come from a known authority",
        "Le certificat du signataire ne vient pas d'une autorité reconnue.",
    )
    SIGNER_NAME = (
        "MSS-232",
        "its signer is not the one expected",
        "Le signataire n'est pas celui qui est attendu.",
    )
    SIGNER_USAGE = (
        "MSS-233",
        "the certificate of its signer is not made for signatures",
        "Le certificat du signataire n'est pas fait pour signer.",
    )
    SIGNER_EXPIRED = (
        "MSS-234",
        "a certificate of its signer did not hold at the date of the list",
        "Un certificat du signataire n'était pas valable à la date de la liste.",
    )
    SIGNER_REVOKED = (
        "MSS-235",
        "a certificate of its signer was revoked before the date of the list",
        "Un certificat du signataire était révoqué avant la date de la liste.",
    )
    # How it follows the one in use -----------------------------------------------------------------------
    ROLLBACK = (
        "MSS-240",
        "it is older than the list in use",
        "La liste est plus ancienne que celle en service.",
    )
    SAME_DATE = (
        "MSS-241",
        "it has the date of the list in use and another content",
        "La liste a la date de celle en service, mais un autre contenu.",
    )
    SHRINKS = (
        "MSS-242",
        "it loses more domains at once than the settings allow",
        "La liste perd d'un coup plus de domaines que les réglages ne l'admettent.",
    )


class ListRefused(Exception):
    """A white list is not taken; the text is one sentence with the code, `detail` says where or how much."""

    def __init__(self, fault: ListFault, detail: str = "") -> None:
        self.fault = fault
        # The detail may quote the list: nothing in it may move a terminal's cursor or end the line.
        self.detail = "".join(each if each.isprintable() else " " for each in detail)
        super().__init__(
            f"The white list is refused ({fault.value}): {fault.english}{f' ({self.detail})' if detail else ''}."
        )
