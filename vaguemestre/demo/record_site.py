"""The professionals' pages of a patient's record, in the browser of somebody who comes in by Pro Santé Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaguemestre.demo.browser import Browser
from vaguemestre.demo.telling import NotProved, must

if TYPE_CHECKING:
    import httpx2

    from vaguemestre.demo.browser import Form, Page
    from vaguemestre.demo.letters import Paper
    from vaguemestre.demo.sandbox import Sandbox
    from vaguemestre.fictive import Professional

_HOME = "/pro/dossier"
_TO_EVERYBODY = "tous"


class RecordSite:
    """One professional before the record of one patient."""

    def __init__(self, sandbox: Sandbox, professional: Professional, ins: str) -> None:
        self._browser = Browser(sandbox)
        self._browser.identify(professional.idnat)
        answer = self._browser.send(_form(self._browser.page(_HOME), _HOME), {"ins": ins})
        must(answer.status_code == 303, f"le dossier ne s'ouvre pas, la page répond {answer.status_code}.")
        self._path = answer.headers["Location"]

    def close(self) -> None:
        """Closes the browser."""
        self._browser.close()

    def answer(self, path: str = "") -> httpx2.Response:
        """Whatever a page of the record answers."""
        return self._browser.answer(self._path + path)

    def page(self, path: str = "") -> Page:
        """A page of the record. Raises NotProved."""
        return self._browser.page(self._path + path)

    def say(self, ending: str, **fields: str) -> httpx2.Response:
        """Sends a form of the record's first page."""
        return self._browser.send(_form(self.page(), ending), fields)

    def declare(self, ending: str, **fields: str) -> bool:
        """As `say`, where the page still offers it. Raises NotProved when it is refused."""
        if self.page().form(ending) is None:
            return False
        answer = self.say(ending, **fields)
        must(answer.status_code == 303, f"la déclaration est refusée, la page répond {answer.status_code}.")
        return True

    def documents(self, query: str = "") -> dict[str, str]:
        """Where the newest document of each title is shown."""
        folder = f"{self._path}/documents"
        links = self._browser.page(folder + query).links_below(folder)
        found: dict[str, str] = {}
        for link in sorted(links, key=lambda link: int(link.path.rpartition("/")[2])):
            found[link.words] = link.path
        return found

    def read(self, title: str, query: str = "") -> bytes:
        """The newest document of this title as it was deposited, by way of its page. Raises NotProved."""
        path = self.documents(query).get(title, "")
        must(path, f"« {title} » n'est pas dans la liste du dossier.")
        self._browser.page(path)
        return self._browser.download(f"{path}/contenu?forme=origine")

    def deposit(self, paper: Paper, visible: str = _TO_EVERYBODY) -> None:
        """Deposits a CDA, the patient being informed. Raises NotProved."""
        self._deposit(f"{self._path}/depot", paper, visible)

    def replace(self, title: str, paper: Paper) -> None:
        """Deposits a CDA in the place of the newest document of this title. Raises NotProved."""
        self._deposit(f"{self.documents()[title]}/remplacement", paper, _TO_EVERYBODY)

    def _deposit(self, path: str, paper: Paper, visible: str) -> None:
        answer = self._browser.send(
            _form(self._browser.page(path), path),
            {"visible": visible, "informed": "1"},
            [("document.xml", paper.written.data, "text/xml")],
            under="file",
        )
        must(answer.status_code == 303, f"le dépôt est refusé, la page répond {answer.status_code}.")

    def act(self, title: str, act: str, query: str = "") -> None:
        """Does an act on the newest document of this title, with the tick it may ask for. Raises NotProved."""
        path = f"{self.documents(query)[title]}/acte/{act}"
        answer = self._browser.send(_form(self._browser.page(path), path), {"confirm": "1"})
        must(answer.status_code == 303, f"l'acte « {act} » est refusé, la page répond {answer.status_code}.")


def _form(page: Page, ending: str) -> Form:
    form = page.form(ending)
    if form is None:
        raise NotProved(f"la page n'a pas le formulaire {ending.rpartition('/')[2]}.")
    return form
