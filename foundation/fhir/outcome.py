"""Refusals: an exception that knows its HTTP status, and the OperationOutcome that tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Refused(Exception):
    """A request is not done. `code` is of issue-type (FHIR R4 §2.29.3); the text is one sentence and quotes no value.

    `retry_after`: seconds after which the same request may be done.
    """

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        *,
        expression: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.expression = expression
        self.retry_after = retry_after

    @property
    def outcome(self) -> dict[str, Any]:
        return operation_outcome([issue("error", self.code, self.text, expression=self.expression)])


def issue(severity: str, code: str, text: str, *, expression: str | None = None) -> dict[str, Any]:
    """One issue of an OperationOutcome."""
    told: dict[str, Any] = {"severity": severity, "code": code, "details": {"text": text}}
    if expression is not None:
        told["expression"] = [expression]
    return told


def operation_outcome(issues: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """FHIR R4 OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def warnings(texts: Iterable[str]) -> dict[str, Any]:
    """What a search left out, as the resource that stands among its results."""
    return operation_outcome(issue("warning", "processing", text) for text in texts)


_CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    408: "timeout",
    410: "expired",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    503: "timeout",
}
_TEXTS = {
    404: "Il n'y a rien à cette adresse.",
    405: "Cette méthode n'est pas servie à cette adresse.",
    408: "La requête n'est pas arrivée à temps.",
    413: "La requête est trop grande.",
}


def plain(status: int) -> Refused:
    """The refusal for an error of HTTP itself."""
    text = _TEXTS.get(status, "La requête ne peut pas être traitée.")
    return Refused(status, _CODES.get(status, "exception"), text)
