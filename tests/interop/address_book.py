"""Thunderbird with the directory as an address book over LDAPS: its own autocompletion and its own search."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.thunderbird import Program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

_BOOK = "ldap_2.servers.annuaire"
_MODULES = """
const { AbLDAPAutoCompleteSearch } = ChromeUtils.importESModule("resource:///modules/AbLDAPAutoCompleteSearch.sys.mjs");
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
"""
_COMPLETE = """
const search = new AbLDAPAutoCompleteSearch();
search.startSearch(arguments[0], JSON.stringify({ type: "addr_to" }), null, {
  onSearchResult(_, result) {
    const found = [...Array(result.matchCount).keys()].map(each => result.getValueAt(each));
    finish({ state: result.searchResult, found });
  },
});
"""
_SEARCH = """
const book = MailServices.ab.getDirectory("moz-abldapdirectory://" + arguments[0]);
const cards = [];
book.search(arguments[1], "", {
  onSearchFoundCard(card) {
    const said = name => card.getProperty(name, "");
    cards.push({
      name: card.displayName, mail: card.primaryEmail, last: card.lastName, first: card.firstName,
      title: said("JobTitle"), department: said("Department"), company: said("Company"), city: said("WorkCity"),
      phone: said("WorkPhone"), code: said("WorkZipCode"),
    });
  },
  onSearchFinished(status) { finish({ status, cards }); },
});
"""


class AddressBook(Program):
    """A new Thunderbird that believes these authorities; `login` and `password` where it shall bind."""

    prelude = Program.prelude + _MODULES

    def __init__(
        self,
        folder: Path,
        port: int,
        authorities: Iterable[x509.Certificate],
        login: str = "",
        password: str = "",
    ) -> None:
        self._authorities = tuple(authorities)
        self._origin = f"ldaps://localhost:{port}"
        self._uri = f"{self._origin}/dc=mssante,dc=fr??sub?(objectclass=*)"
        self._login, self._password = login, password
        super().__init__(
            folder,
            {
                f"{_BOOK}.description": "Annuaire",
                f"{_BOOK}.dirType": 0,
                f"{_BOOK}.maxHits": 100,
                f"{_BOOK}.uri": self._uri,
                **({f"{_BOOK}.auth.dn": login} if login else {}),
                "ldap_2.autoComplete.useDirectory": True,
                "ldap_2.autoComplete.directoryServer": _BOOK,
            },
        )

    def _begin(self) -> None:
        for authority in self._authorities:
            self.run(
                """
                Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
                  .addCertFromBase64(arguments[0], "C,,");
                finish(true);
                """,
                base64.b64encode(authority.public_bytes(Encoding.DER)).decode(),
            )
        if self._password:
            self.run(
                """
                const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
                login.init(arguments[0], null, arguments[1], "", arguments[2], "", "");
                Services.logins.addLoginAsync(login).then(() => finish(true));
                """,
                self._origin,
                self._uri,
                self._password,
            )

    def complete(self, typed: str) -> list[str]:
        """What it proposes behind these letters in the field of a recipient."""
        told = self.run(_COMPLETE, typed)
        assert told["state"] in (3, 4), told  # RESULT_NOMATCH, RESULT_SUCCESS
        return list(told["found"])

    def cards(self, query: str) -> list[dict[str, Any]]:
        """The cards that a search of the address book window shows."""
        told = self.run(_SEARCH, _BOOK, query)
        assert told["status"] == 0, told
        return list(told["cards"])
