"""A patient's space as the demonstration visits it: signed in once, documents and conversations by name."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from vaguemestre.demo.browser import Browser
from vaguemestre.demo.telling import NotProved, must

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx2

    from vaguemestre.demo.browser import Form, Page
    from vaguemestre.demo.sandbox import Person, Sandbox


class PatientSpace:
    """The pages of one person: of the own record, or of that of the child `child` names."""

    def __init__(self, sandbox: Sandbox, person: Person, *, child: str = "") -> None:
        self._browser = Browser(sandbox)
        self._person = person
        self._child = child
        self._signed_in = False

    def close(self) -> None:
        """Closes the browser."""
        self._browser.close()

    def page(self, path: str) -> Page:
        """A page; the first one asks for the password."""
        if not self._signed_in:
            answer = self._browser.sign_in(self._person)
            must(
                answer.status_code == 303, f"la connexion de {self._person.name} répond {answer.status_code}."
            )
            self._signed_in = True
        return self._browser.page(path)

    @cached_property
    def record(self) -> str:
        """Where the pages of the record begin."""
        if not self._child:
            return "/patient"
        link = self.page("/patient/proches").link(self._child)
        if link is None:
            raise NotProved(f"{self._person.name} ne représente pas {self._child}.")
        return link.path

    def of_record(self, path: str) -> Page:
        """A page of the record."""
        return self.page(self.record + path)

    def documents(self) -> Counter[str]:
        """How often each title stands in the record."""
        folder = f"{self.record}/documents"
        return Counter(link.words for link in self.page(folder).links_below(folder))

    def document_path(self, title: str) -> str:
        """Where the newest document with this title is shown."""
        folder = f"{self.record}/documents"
        found = [
            int(link.path.rpartition("/")[2])
            for link in self.page(folder).links_below(folder)
            if link.words == title
        ]
        must(found, f"« {title} » n'est pas dans les documents.")
        return f"{folder}/{max(found)}"

    def document(self, title: str) -> Page:
        """The page of the newest document with this title."""
        return self.page(self.document_path(title))

    def download(self, title: str) -> bytes:
        """The newest document with this title."""
        return self._browser.download(f"{self.document_path(title)}/content")

    def conversation(self, subject: str) -> Page:
        """The newest conversation about this subject."""
        link = self.page("/patient/conversations").link(subject)
        if link is None:
            raise NotProved(f"il n'y a pas de conversation « {subject} ».")
        return self.page(link.path)

    def form(self, subject: str, ending: str, what: str) -> Form:
        """The last form of a conversation whose action ends so; `what` names it in French."""
        form = self.conversation(subject).form(ending)
        if form is None:
            raise NotProved(f"la page n'a pas {what}.")
        return form

    def send(
        self, form: Form, fields: Mapping[str, str], files: Sequence[tuple[str, bytes, str]] = ()
    ) -> httpx2.Response:
        """Sends a form."""
        return self._browser.send(form, fields, files)
