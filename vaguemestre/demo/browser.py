"""The browser people use in the demonstration: cookies, and pages as a person sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx2

from vaguemestre.demo.telling import NotProved, must

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vaguemestre.demo.sandbox import Person, Sandbox

_SECONDS = 30.0
_UNSHOWN = frozenset({"script", "style", "title", "template"})


@dataclass(slots=True)
class Link:
    """A link of a page."""

    path: str
    words: str = ""


@dataclass(slots=True)
class Form:
    """A form of a page with the values it would send."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A page as a person sees it: words, links, forms."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.forms: list[Form] = []
        self._pieces: list[str] = []
        self._unshown = 0
        self._link: Link | None = None
        self._select = ""
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return _spaced("".join(self._pieces))

    def link(self, words: str) -> Link | None:
        """The first link with these words in it."""
        return next((link for link in self.links if words in _spaced(link.words)), None)

    def form(self, ending: str) -> Form | None:
        """The last form whose action ends so."""
        return next((form for form in reversed(self.forms) if form.action.endswith(ending)), None)

    def links_below(self, path: str) -> list[Link]:
        """The links to numbered pages under a path."""
        wanted = re.compile(re.escape(path) + r"/\d+")
        return [Link(each.path, _spaced(each.words)) for each in self.links if wanted.fullmatch(each.path)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _UNSHOWN:
            self._unshown += 1
        elif tag == "a":
            self._link = Link(values.get("href", ""))
            self.links.append(self._link)
        elif tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "select":
            self._select = values.get("name", "")
        elif self.forms and tag == "input" and values.get("type") == "hidden":
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif self.forms and tag == "option" and self._select:
            chosen = self.forms[-1].fields
            if "selected" in values or self._select not in chosen:
                chosen[self._select] = values.get("value", "")
        if tag in {"p", "li", "dd", "dt", "h1", "h2", "div", "option", "time"}:
            self._pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSHOWN and self._unshown:
            self._unshown -= 1
        elif tag == "a":
            self._link = None
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if not self._unshown:
            self._pieces.append(data)
            if self._link is not None:
                self._link.words += data


class Browser:
    """A browser without pictures: cookies, pages, forms."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._client = httpx2.Client(base_url=sandbox.url, verify=sandbox.tls(), timeout=_SECONDS)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def sign_in(self, person: Person) -> httpx2.Response:
        """Posts the sign-in form."""
        return self._client.post("/session", data={"username": person.address, "password": person.password})

    def identify(self, idnat: str) -> None:
        """Goes to Pro Santé Connect, says who one is there, and comes back. Raises NotProved."""
        there = self._client.post("/pro/psc", follow_redirects=True)
        form = Page(there.text).form("/auth")
        if form is None:
            raise NotProved(f"Pro Santé Connect ne s'ouvre pas : la page répond {there.status_code}.")
        back = self._client.post(form.action, data={**form.fields, "username": idnat}, follow_redirects=True)
        must(back.status_code == 200, f"le retour de Pro Santé Connect répond {back.status_code}.")

    def answer(self, path: str) -> httpx2.Response:
        """Whatever a page answers."""
        return self._client.get(path)

    def page(self, path: str) -> Page:
        """A page behind the door. Raises NotProved when it is not shown."""
        answer = self.answer(path)
        must(answer.status_code == 200, f"la page {_place(path)} répond {answer.status_code}.")
        return Page(answer.text)

    def download(self, path: str) -> bytes:
        """The bytes behind a download link. Raises NotProved."""
        answer = self.answer(path)
        must(answer.status_code == 200, f"le téléchargement {_place(path)} répond {answer.status_code}.")
        return answer.content

    def send(
        self,
        form: Form,
        fields: Mapping[str, str],
        files: Sequence[tuple[str, bytes, str]] = (),
        *,
        under: str = "files",
    ) -> httpx2.Response:
        """Sends a form with its own hidden values, the fields filled in and files (name, bytes, media type)."""
        uploads = [(under, each) for each in files]
        return self._client.post(form.action, data={**form.fields, **fields}, files=uploads or None)


def _place(path: str) -> str:
    """The path without the numbers and the names without a meaning in it."""
    return re.sub(r"[^/]*\d[^/]*", "…", path.partition("?")[0])


def _spaced(text: str) -> str:
    return " ".join(text.split())
