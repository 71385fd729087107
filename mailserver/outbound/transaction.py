"""One mail transaction, without a socket: its command lines, and what each reply means for each recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from mailserver.outbound.content import header_of
from mailserver.outbound.outcome import Failure, Outcome, failure_of
from mailserver.outbound.replies import Garbled
from mailserver.refusals import INVALID_ADDRESS, PEER_LACKS_UTF8, TOO_BIG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mailserver.envelope import RecipientDsn
    from mailserver.outbound.content import Body
    from mailserver.outbound.queue import RemoteRecipient
    from mailserver.outbound.replies import Extensions, Reply

_START_INPUT = 354
_TOO_MANY_RECIPIENTS = 452
_VALUE = re.compile(r"[!-<>-~]+")
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x20\x7f<>]")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for one domain, as it is handed to a server."""

    sender: str
    recipients: Sequence[RemoteRecipient] = field(repr=False)
    body: Body = field(repr=False)
    ret: str | None = None
    envid: str | None = None
    utf8: bool = False


class Attempt:
    """What is known of each recipient while a letter is being handed over."""

    def __init__(self, letter: Letter, extensions: Extensions, server: str) -> None:
        self._letter = letter
        self._extensions = extensions
        self._server = server
        self._results: dict[str, Failure | None] = {}
        self._open = {recipient.address: recipient for recipient in letter.recipients}
        self._has_utf8 = False
        self._heard = False
        self.may_begin = False
        """The server waits for content."""
        self.is_lost = False
        self._check()

    @property
    def is_open(self) -> bool:
        """Whether somebody may still get the message."""
        return bool(self._open)

    # Commands

    def mail_line(self) -> bytes:
        """MAIL with every parameter that the server offered and the message has (RFC 1870, 6152, 6531, 3461)."""
        letter, offered = self._letter, self._extensions
        words = [f"MAIL FROM:<{letter.sender}>"]
        if "SIZE" in offered:
            words.append(f"SIZE={letter.body.size}")
        if "8BITMIME" in offered:
            words.append("BODY=8BITMIME")
        if self._has_utf8:
            words.append("SMTPUTF8")
        if "DSN" in offered:
            if letter.ret is not None:
                words.append(f"RET={letter.ret}")
            if letter.envid is not None and _VALUE.fullmatch(letter.envid):
                words.append(f"ENVID={letter.envid}")
        return " ".join(words).encode() + b"\r\n"

    def rcpt_lines(self) -> Iterator[tuple[bytes, Callable[[Reply], None]]]:
        """RCPT for everybody, and who takes the reply."""
        for recipient in tuple(self._open.values()):
            words = [f"RCPT TO:<{recipient.address}>"]
            if "DSN" in self._extensions:
                words += _dsn_words(recipient.dsn)
            yield " ".join(words).encode() + b"\r\n", partial(self.on_rcpt, recipient.address)

    # Replies

    def on_mail(self, reply: Reply) -> None:
        """The server takes mail of this sender, or from nobody to nobody."""
        self._heard = True
        failure = failure_of(reply)
        if failure is not None:
            self.give_up(failure)

    def on_rcpt(self, address: str, reply: Reply) -> None:
        """The server takes mail for this recipient, or not."""
        if address not in self._open:
            return  # MAIL was refused, and this is its echo
        failure = failure_of(reply)
        if failure is not None:
            self._settle(address, replace(failure, at_once=reply.code == _TOO_MANY_RECIPIENTS))

    def on_data(self, reply: Reply) -> None:
        """The server waits for the content, or wants none."""
        if reply.code == _START_INPUT:
            self.may_begin = True
            return
        if self._open:
            failure = failure_of(reply)
            if failure is None:
                raise Garbled(f"the reply to DATA is {reply.code}")
            self.give_up(failure)

    def on_end(self, reply: Reply) -> None:
        """The server has the message now, or does not take it after all."""
        self.give_up(failure_of(reply))

    def give_up(self, failure: Failure | None) -> None:
        """Decides for everybody who is still open; None: delivered."""
        for address in tuple(self._open):
            self._settle(address, failure)

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            self._results,
            server=self._server,
            confirms="DSN" in self._extensions,
            is_lost=self.is_lost,
            is_unheard=self.is_lost and not self._heard,
        )

    # Inside

    def _settle(self, address: str, failure: Failure | None) -> None:
        del self._open[address]
        self._results[address] = failure

    def _check(self) -> None:
        """What needs no server to be known."""
        letter, offered = self._letter, self._extensions
        if _UNSAFE_IN_PATH.search(letter.sender):
            self.give_up(Failure(INVALID_ADDRESS))
        for address in [each for each in self._open if _UNSAFE_IN_PATH.search(each)]:
            self._settle(address, Failure(INVALID_ADDRESS))
        if 0 < offered.size < letter.body.size:
            self.give_up(Failure(TOO_BIG))
        needs_utf8 = not letter.sender.isascii() or (
            letter.utf8 and not header_of(letter.body.start).isascii()
        )
        if "SMTPUTF8" in offered:
            self._has_utf8 = needs_utf8 or not all(address.isascii() for address in self._open)
        elif needs_utf8:
            self.give_up(Failure(PEER_LACKS_UTF8))
        else:
            for address in [each for each in self._open if not each.isascii()]:
                self._settle(address, Failure(PEER_LACKS_UTF8))


def _dsn_words(dsn: RecipientDsn) -> Iterator[str]:
    if dsn.notify:
        yield f"NOTIFY={','.join(sorted(dsn.notify))}"
    if dsn.orcpt is not None and _VALUE.fullmatch(dsn.orcpt):
        yield f"ORCPT={dsn.orcpt}"
