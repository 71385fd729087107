"""Business software that reaches records over FHIR: for a professional with Pro Santé Connect, for a structure with its certificate."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2

from dmp_bridge.fhir import systems
from foundation.identifiers import OID_TEST
from vaguemestre.demo.telling import must

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaguemestre.demo.letters import Paper
    from vaguemestre.demo.sandbox import Sandbox
    from vaguemestre.fictive import Professional

_SECONDS = 30.0
_RETURN = "http://127.0.0.1/retour"
"""Where the software would listen for its user; the browser is not sent there, only the code is read."""


class RecordSoftware:
    """The FHIR interface of the record as one program sees it. Every method but `status` raises NotProved."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    @classmethod
    def of_professional(cls, sandbox: Sandbox, professional: Professional) -> RecordSoftware:
        """With an access token, by the authorization code flow with PKCE (RFC 7636)."""
        token = _token(sandbox, professional.idnat)
        return cls(
            httpx2.Client(
                base_url=_base(sandbox),
                verify=sandbox.tls(),
                timeout=_SECONDS,
                headers={"Authorization": f"Bearer {token}"},
            )
        )

    @classmethod
    def of_structure(cls, sandbox: Sandbox, address: str) -> RecordSoftware:
        """With the client certificate of the box of a structure's software."""
        tls = sandbox.tls()
        tls.load_cert_chain(*sandbox.certificate(address))
        return cls(httpx2.Client(base_url=_base(sandbox), verify=tls, timeout=_SECONDS))

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def exists(self, ins: str) -> bool:
        """TD0.2: whether there is a record that may be told."""
        answer = self._client.get("Patient", params={"identifier": _whose(ins)})
        return bool(_checked(answer, "la recherche du dossier").get("entry"))

    def status(self, ins: str, **conditions: str) -> int:
        """The HTTP status that a search of documents answers."""
        return self._client.get(
            "DocumentReference", params={"patient.identifier": _whose(ins), **conditions}
        ).status_code

    def search(self, ins: str, **conditions: str) -> list[dict[str, Any]]:
        """ITI-67: the documents that may be seen, the newest act first, at most 200."""
        asked = {"patient.identifier": _whose(ins), "_count": "200", **conditions}
        told = _checked(self._client.get("DocumentReference", params=asked), "la recherche de documents")
        return [each["resource"] for each in told.get("entry", [])]

    def find(self, ins: str, paper: Paper) -> dict[str, Any] | None:
        """The document itself among those that may be seen; None where it is not."""
        wanted = f"urn:oid:{paper.written.entry.unique_id}"
        return next((each for each in self.search(ins) if each["masterIdentifier"]["value"] == wanted), None)

    def read(self, document: dict[str, Any]) -> bytes:
        """ITI-68: the file as it was deposited."""
        answer = self._client.get(document["content"][0]["attachment"]["url"])
        must(answer.status_code == 200, f"la lecture par FHIR répond {answer.status_code}.")
        return answer.content

    def publish(self, ins: str, paper: Paper, *visibilities: str) -> None:
        """ITI-105: one document with its bytes."""
        body = _reference(ins, paper, visibilities)
        body["content"][0]["attachment"]["data"] = base64.b64encode(paper.written.data).decode()
        answer = self._client.post("DocumentReference", json=body)
        must(answer.status_code == 201, f"le dépôt par FHIR répond {answer.status_code} : {_said(answer)}")

    def publish_lot(self, ins: str, title: str, source_id: str, papers: Sequence[Paper]) -> None:
        """ITI-65: a submission set with its documents, all of it or nothing."""
        entries = [("List", f"urn:uuid:{uuid.uuid4()}", _lot(ins, title, source_id, papers))]
        for number, paper in enumerate(papers):
            body, content = _reference(ins, paper, ()), f"urn:uuid:{uuid.uuid4()}"
            body["content"][0]["attachment"]["url"] = content
            data = base64.b64encode(paper.written.data).decode()
            binary = {"resourceType": "Binary", "contentType": "text/xml", "data": data}
            entries += [("DocumentReference", _document_url(number), body), ("Binary", content, binary)]
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"fullUrl": url, "resource": body, "request": {"method": "POST", "url": kind}}
                for kind, url, body in entries
            ],
        }
        told = _checked(self._client.post("", json=bundle), "le dépôt du lot")
        must(len(told["entry"]) == len(entries), "le lot n'est pas déposé en entier.")

    def note(self, ins: str, category: str, word: str = "permit") -> None:
        """TD0.3: the caller's own authorisation, or what the patient said to the caller."""
        answer = self._client.post(
            "Consent",
            json={
                "resourceType": "Consent",
                "status": "active",
                "category": [{"coding": [{"system": systems.CONSENT_KIND, "code": category}]}],
                "patient": _subject(ins),
                "provision": {"type": word},
            },
        )
        must(
            answer.status_code in (200, 201),
            f"le consentement « {category} » répond {answer.status_code} : {_said(answer)}",
        )

    def enter_in_emergency(self, motive: str) -> None:
        """From now on every request says « bris de glace » and why."""
        self._client.headers.update({"X-Purpose-Of-Use": "bris_de_glace", "X-Access-Motive": quote(motive)})


def _base(sandbox: Sandbox) -> str:
    return f"{sandbox.described['record']['fhir']}/"


def _token(sandbox: Sandbox, idnat: str) -> str:
    provider = sandbox.described["psc"]
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    with httpx2.Client(verify=sandbox.tls(), timeout=_SECONDS) as browser:
        known = _checked(browser.get(provider["discovery"]), "Pro Santé Connect")
        asked = {
            "response_type": "code",
            "client_id": provider["client_id"],
            "redirect_uri": _RETURN,
            "scope": "openid scope_all",
            "state": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "username": idnat,
        }
        back = browser.post(known["authorization_endpoint"], data=asked)
        must(back.status_code == 303, f"Pro Santé Connect répond {back.status_code}.")
        told = parse_qs(urlsplit(back.headers["Location"]).query)
        must(told.get("state") == [asked["state"]] and "code" in told, "Pro Santé Connect n'identifie pas.")
        answer = browser.post(
            known["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": told["code"][0],
                "redirect_uri": _RETURN,
                "client_id": provider["client_id"],
                "client_secret": provider["client_secret"],
                "code_verifier": verifier,
            },
        )
    return str(_checked(answer, "le jeton de Pro Santé Connect")["access_token"])


def _checked(answer: httpx2.Response, what: str) -> dict[str, Any]:
    must(answer.status_code == 200, f"{what} répond {answer.status_code} : {_said(answer)}")
    told = answer.json()
    return told if isinstance(told, dict) else {}


def _said(answer: httpx2.Response) -> str:
    """The sentence of an OperationOutcome."""
    try:
        return str(answer.json()["issue"][0]["details"]["text"])
    except (ValueError, KeyError, IndexError, TypeError):
        return "sans raison."


def _whose(ins: str) -> str:
    return f"urn:oid:{OID_TEST}|{ins}"


def _subject(ins: str) -> dict[str, str]:
    return {"reference": f"Patient?identifier={_whose(ins)}"}


def _reference(ins: str, paper: Paper, visibilities: Sequence[str]) -> dict[str, Any]:
    """A DocumentReference; what the header of the CDA says is not said again."""
    entry = paper.written.entry
    digest = hashlib.sha1(paper.written.data, usedforsecurity=False).digest()
    labels = [(systems.CONFIDENTIALITY, "N"), *((systems.VISIBILITY, each) for each in visibilities)]
    assert entry.type_code is not None
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": systems.URI, "value": f"urn:oid:{entry.unique_id}"},
        "status": "current",
        "type": {"coding": [{"system": systems.LOINC, "code": entry.type_code.code}]},
        "subject": _subject(ins),
        "securityLabel": [{"coding": [{"system": system, "code": code}]} for system, code in labels],
        "content": [
            {
                "attachment": {
                    "contentType": "text/xml",
                    "title": paper.title,
                    "size": len(paper.written.data),
                    "hash": base64.b64encode(digest).decode(),
                }
            }
        ],
    }


def _lot(ins: str, title: str, source_id: str, papers: Sequence[Paper]) -> dict[str, Any]:
    """The List of a submission set (PDSm)."""
    unique_id = f"urn:oid:2.25.{uuid.uuid4().int}"
    return {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "title": title,
        "identifier": [{"use": "usual", "system": systems.URI, "value": unique_id}],
        "code": {"coding": [{"system": systems.LIST_TYPES, "code": "submissionset"}]},
        "subject": _subject(ins),
        "extension": [{"url": systems.SOURCE_ID, "valueIdentifier": {"value": f"urn:oid:{source_id}"}}],
        "entry": [{"item": {"reference": _document_url(number)}} for number, _ in enumerate(papers)],
    }


def _document_url(number: int) -> str:
    return f"urn:uuid:{uuid.UUID(int=number)}"
