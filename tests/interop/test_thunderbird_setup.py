"""Thunderbird is given an address and a password alone: it asks for settings, finds ours, and they work."""

from __future__ import annotations

import base64
import smtplib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from imapclient import IMAPClient

from tests.interop.front import Front
from tests.interop.letters import letter, new_id
from tests.interop.thunderbird import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.service import Bal, Service

pytestmark = pytest.mark.interop

BOX = 14
SSL, STARTTLS = 3, 2  # nsMsgSocketType
PASSWORD_CLEARTEXT = 3  # nsMsgAuthMethod
_SERVER = "MailServices.accounts.accounts.map(each => each.incomingServer).find(each => each.type == 'imap')"
_MODULES = """
const load = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`);
const { AccountConfig } = load("AccountConfig");
const { FetchConfig } = load("FetchConfig");
const { FindConfig } = load("FindConfig");
const { ConfigVerifier } = load("ConfigVerifier");
const { CreateInBackend } = load("CreateInBackend");
const { fetchConfigFromExchange } = load("ExchangeAutoDiscover");
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const ways = config => ({
  source: config.subSource,
  incoming: [config.incoming, ...config.incomingAlternatives].map(plain),
  outgoing: [config.outgoing, ...config.outgoingAlternatives].map(plain),
});
const plain = ({ type, hostname, port, socketType, auth, username }) =>
  ({ type, hostname, port, socketType, auth, username });
const later = promise => promise.then(finish, error => finish({ error: String(error) }));
"""


class Newcomer(Program):
    """Thunderbird without any account, that believes the sandbox's authority and asks the web by way of a front."""

    prelude = Program.prelude + _MODULES

    def __init__(self, service: Service, front: Front, folder: Path) -> None:
        self._ca_file = Path(service.ca_file)
        super().__init__(
            folder,
            {
                "network.proxy.type": 1,
                "network.proxy.http": "127.0.0.1",
                "network.proxy.http_port": front.port,
                "network.proxy.ssl": "127.0.0.1",
                "network.proxy.ssl_port": front.port,
            },
        )

    def _begin(self) -> None:
        for authority in x509.load_pem_x509_certificates(self._ca_file.read_bytes()):
            self.run(
                """
                Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
                  .addCertFromBase64(arguments[0], "C,,");
                finish(true);
                """,
                base64.b64encode(authority.public_bytes(Encoding.DER)).decode(),
            )


@pytest.fixture(scope="module")
def front(service: Service) -> Iterator[Front]:
    with Front(service.described["domains"], service.port("https")) as started:
        yield started


@pytest.fixture(scope="module")
def newcomer(service: Service, front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    with Newcomer(service, front, tmp_path_factory.mktemp("newcomer")) as started:
        yield started


@pytest.fixture
def bal(service: Service) -> Bal:
    return service.bal(BOX)


def way(service: Service, kind: str, listener: str, socket_type: int, username: str) -> dict[str, Any]:
    return {
        "type": kind,
        "hostname": "localhost",
        "port": service.port(listener),
        "socketType": socket_type,
        "auth": PASSWORD_CLEARTEXT,
        "username": username,
    }


def test_its_own_request_finds_the_file(service: Service, front: Front, newcomer: Newcomer, bal: Bal) -> None:
    domain = bal.address.partition("@")[2]
    found = newcomer.run(
        "later(FetchConfig.fromISP(arguments[0], arguments[1], new AbortController().signal).then(ways));",
        domain,
        bal.address,
    )
    variable = "%EMAILADDRESS%"
    assert found == {
        "source": "xml-from-isp-https",
        "incoming": [
            way(service, "imap", "imaps", SSL, variable),
            way(service, "imap", "imap", STARTTLS, variable),
        ],
        "outgoing": [
            way(service, "smtp", "submissions", SSL, variable),
            way(service, "smtp", "submission", STARTTLS, variable),
        ],
    }
    assert f"CONNECT autoconfig.{domain}:443" in front.asked  # now or earlier: it keeps its connections


def test_it_asks_by_autodiscover_as_well(service: Service, newcomer: Newcomer, bal: Bal) -> None:
    found = newcomer.run(
        """
        const nobody = () => Promise.reject(new Error("nobody is asked"));
        later(fetchConfigFromExchange(
          arguments[0], arguments[1], new AbortController().signal, null, arguments[2], nobody).then(ways));
        """,
        bal.address.partition("@")[2],
        bal.address,
        bal.password,
    )
    assert found == {
        "source": "exchange-from-url1",
        "incoming": [way(service, "imap", "imaps", SSL, bal.address)],
        "outgoing": [way(service, "smtp", "submissions", SSL, bal.address)],
    }


def test_another_domain_has_no_file_here(newcomer: Newcomer) -> None:
    refused = newcomer.run(
        """
        FetchConfig.fromISP("ailleurs.hopital-demo.mssante.fr", "a@ailleurs.hopital-demo.mssante.fr",
          new AbortController().signal).then(() => finish("found"), () => finish("nothing"));
        """
    )
    assert refused == "nothing"


# ref: F23
def test_address_and_password_lead_to_a_working_account(
    service: Service, newcomer: Newcomer, bal: Bal
) -> None:
    message_id = new_id()
    service.send(bal, bal.address, letter(bal.address, bal.address, message_id=message_id))
    found = newcomer.run(
        """
        const [domain, address, password, name] = arguments;
        const setUp = async () => {
          const signal = new AbortController().signal;
          const search = FindConfig.parallelAutoDiscovery(domain, address, signal, password);
          const { value: config } = await search.next();
          AccountConfig.replaceVariables(config, name, address, password);
          const verified = await new ConfigVerifier(null, signal).verifyConfig(config, false);
          await CreateInBackend.createAccountInBackend(verified);
          return ways(verified);
        };
        later(setUp());
        """,
        bal.address.partition("@")[2],
        bal.address,
        bal.password,
        bal.name,
    )
    incoming, outgoing = found["incoming"][0], found["outgoing"][0]
    assert incoming == way(service, "imap", "imaps", SSL, bal.address)
    assert outgoing == way(service, "smtp", "submissions", SSL, bal.address)
    inbox = f"({_SERVER}).rootFolder.subFolders.find(each => each.name == 'INBOX' || each.name == 'Inbox')"
    newcomer.run(f"({_SERVER}).performExpand(null); finish(true);")
    newcomer.eventually(inbox)
    newcomer.run(f"{inbox}.updateFolder(null); finish(true);")
    newcomer.eventually(
        f"[...{inbox}.messages].some(each => '<' + each.messageId + '>' == arguments[0])", message_id
    )
    # Another client, with exactly what Thunderbird found.
    with IMAPClient(incoming["hostname"], incoming["port"], ssl_context=service.tls()) as imap:
        imap.login(incoming["username"], bal.password)
        imap.select_folder("INBOX", readonly=True)
        assert imap.search(["HEADER", "Message-ID", message_id])
    with smtplib.SMTP_SSL(outgoing["hostname"], outgoing["port"], context=service.tls()) as smtp:
        smtp.login(outgoing["username"], bal.password)
