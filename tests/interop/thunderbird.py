"""Thunderbird without a screen, on a profile of its own, driven over its remote protocol (Marionette)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from benchmarks.target import free_ports
from tests.interop.service import program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.interop.service import Bal, Service

    Preference = str | int | bool

_START_SECONDS = 60

_PRELUDE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.accounts.map(each => each.incomingServer).find(each => each.type == "imap");
const root = server.rootFolder;
const find = name => root.subFolders.find(each => each.name.toLowerCase() == name.toLowerCase());
const headers = folder => [...folder.messages];
const byId = (folder, id) => headers(folder).find(each => "<" + each.messageId + ">" == id);
const finish = arguments[arguments.length - 1];
"""


_PREFERENCES: Mapping[str, Preference] = {
    "mail.shell.checkDefaultClient": False,
    "mail.rights.version": 1,
    "mailnews.start_page.enabled": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "extensions.update.enabled": False,
    "network.dns.disableIPv6": True,
}


class Program:
    """Thunderbird on a new profile with some preferences; ended with everything it started."""

    prelude = "const finish = arguments[arguments.length - 1];"

    def __init__(self, folder: Path, preferences: Mapping[str, Preference]) -> None:
        self._folder = folder
        self._profile = folder / "profile"
        self._profile.mkdir()
        (self._port,) = free_ports(1)
        self._count = 0
        self._hanging_up = ExitStack()
        all_of_them = {**_PREFERENCES, **preferences, "marionette.port": self._port}
        (self._profile / "user.js").write_text(
            "".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in all_of_them.items())
        )

    def __enter__(self) -> Self:
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    program("thunderbird"), "--headless", "--no-remote", "--marionette",
                    "--remote-allow-system-access", "--profile", str(self._profile),
                ],
                env={**os.environ, "HOME": str(self._folder), "MOZ_HEADLESS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )  # fmt: skip
        try:
            self._connect()
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._hanging_up.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def _begin(self) -> None:
        """What is done before the first script."""

    def _connect(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", self._port), 60)
                break
            except OSError:
                assert self._process.poll() is None, "Thunderbird ended"
                assert time.monotonic() < deadline, "Thunderbird does not listen"
                time.sleep(0.2)
        self._hanging_up.enter_context(self._socket)
        self._file = self._hanging_up.enter_context(self._socket.makefile("rb"))
        self._read()
        self._call("WebDriver:NewSession", {})
        self._call("Marionette:SetContext", {"value": "chrome"})
        self._call("WebDriver:SetTimeouts", {"script": 30_000})

    def _read(self) -> Any:
        length = b""
        while (octet := self._file.read(1)) != b":":
            assert octet, "Thunderbird hung up"
            length += octet
        return json.loads(self._file.read(int(length)))

    def _call(self, command: str, parameters: dict[str, Any]) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs a script with privileges; it calls finish(value). `arguments` are its own."""
        body = f"{self.prelude}\ntry {{ {script} }} catch (error) {{ finish({{error: String(error)}}); }}"
        found = self._call("WebDriver:ExecuteAsyncScript", {"script": body, "args": list(arguments)})["value"]
        assert not (isinstance(found, dict) and "error" in found), found
        return found

    def eventually(self, expression: str, *arguments: Any, seconds: float = 30) -> Any:
        """Waits until an expression is true; its value."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.run(f"finish(Boolean({expression}));", *arguments)
            if found:
                return found
            assert time.monotonic() < deadline, f"{expression}: not after {seconds} s"
            time.sleep(0.2)


class Thunderbird(Program):
    """With an IMAP account over STARTTLS-less loopback."""

    prelude = _PRELUDE

    def __init__(self, service: Service, bal: Bal, folder: Path) -> None:
        self._password, self._login = bal.password, bal.address
        super().__init__(
            folder,
            {
                "mail.accountmanager.accounts": "account1",
                "mail.accountmanager.defaultaccount": "account1",
                "mail.account.account1.server": "server1",
                "mail.account.account1.identities": "id1",
                "mail.identity.id1.useremail": bal.address,
                "mail.identity.id1.fullName": bal.name,
                "mail.identity.id1.valid": True,
                "mail.server.server1.type": "imap",
                "mail.server.server1.hostname": "127.0.0.1",
                "mail.server.server1.port": service.port("imap_plain"),
                "mail.server.server1.userName": bal.address,
                "mail.server.server1.name": "box",
                "mail.server.server1.socketType": 0,
                "mail.server.server1.authMethod": 3,
                "mail.server.server1.login_at_startup": False,
                "mail.server.server1.use_idle": True,
                "mail.server.server1.offline_download": True,
                "mail.server.server1.autosync_offline_stores": True,
            },
        )

    def _begin(self) -> None:
        """Keeps the password as if it had been typed and remembered."""
        self.run(
            """
            const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
            login.init("imap://127.0.0.1", null, "imap://127.0.0.1", arguments[0], arguments[1], "", "");
            Services.logins.addLoginAsync(login).then(() => finish(true));
            """,
            self._login,
            self._password,
        )
