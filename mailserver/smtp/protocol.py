"""The commands of an SMTP conversation: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT and the small ones."""

# ruff: noqa: N802 - aiosmtpd names a command's method smtp_ and the verb

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mailserver.envelope import NO_DSN, Accepted, DsnRequest, Envelope, Origin, Principal, RecipientDsn
from mailserver.sasl.mechanisms import EndsBehind, Malformed, Mechanism
from mailserver.smtp import grammar, replies
from mailserver.smtp.budget import Reservation
from mailserver.smtp.connection import Closing
from mailserver.smtp.data import ChunkReader, Content, ContentFault, DataReader
from mailserver.smtp.grammar import Fault
from mailserver.smtp.receiving import ReceivingConversation

_MAIL_FAULTS: Final = MappingProxyType(
    {
        Fault.SYNTAX: replies.MAIL_SYNTAX,
        Fault.ADDRESS: replies.BAD_ADDRESS,
        Fault.PARAMETER: replies.BAD_PARAMETER,
        Fault.UNKNOWN_PARAMETER: replies.UNKNOWN_PARAMETER,
        Fault.NEEDS_SMTPUTF8: replies.NEEDS_SMTPUTF8,
    }
)
_RCPT_FAULTS: Final = MappingProxyType({**_MAIL_FAULTS, Fault.SYNTAX: replies.RCPT_SYNTAX})
_CONTENT_FAULTS: Final = MappingProxyType(
    {
        ContentFault.BARE_LINE_END: replies.BAD_LINE_ENDS_IN_DATA,
        ContentFault.NUL: replies.NUL_IN_DATA,
        ContentFault.LONG_LINE: replies.LONG_LINE_IN_DATA,
        ContentFault.TOO_BIG: replies.TOO_BIG,
        ContentFault.NO_MEMORY: replies.NO_MEMORY,
    }
)
# Behind such content the two ends may not agree on where it stops.
_SMUGGLING: Final = frozenset({ContentFault.BARE_LINE_END, ContentFault.NUL})


@dataclass(slots=True)
class Transaction:
    """One mail transaction (RFC 5321 §3.3) up to its content."""

    mail: grammar.MailCommand
    reservation: Reservation  # memory for the content
    recipients: dict[str, grammar.RcptCommand] = field(default_factory=dict)  # in the order of RCPT
    chunks: ChunkReader | None = None  # of BDAT, once the first came

    def dsn(self) -> DsnRequest:
        """What MAIL and RCPT asked for (RFC 3461)."""
        asked = {
            address: RecipientDsn(rcpt.notify, rcpt.orcpt)
            for address, rcpt in self.recipients.items()
            if rcpt.notify or rcpt.orcpt is not None
        }
        if not asked and self.mail.ret is None and self.mail.envid is None:
            return NO_DSN
        return DsnRequest(self.mail.ret, self.mail.envid, asked)


class _NoAnswer(Exception):
    """The client does not answer the challenge, or not in base64."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


def _challenge(content: bytes) -> bytes:
    return b"334 " + b64encode(content) + b"\r\n"


def _decoded(response: bytes) -> bytes:
    if response == b"=":  # RFC 4954 §4: an empty initial response
        return b""
    try:
        return b64decode(response, validate=True)
    except (binascii.Error, ValueError):
        raise _NoAnswer(replies.BAD_BASE64) from None


class SmtpProtocol(ReceivingConversation):
    """One client's conversation with the gate."""

    _transaction: Transaction | None = None
    _messages = 0
    _failures = 0

    # Session -------------------------------------------------------------------------------------------------

    async def smtp_EHLO(self, argument: str) -> None:
        """RFC 5321 §4.1.1.1: offers exactly what is done."""
        if not self._greet(argument):
            return
        self._client.is_extended = True
        words = [
            self._policy.hostname,
            f"SIZE {self._limits.message_bytes}",
            "8BITMIME",
            "SMTPUTF8",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "DSN",
            f"LIMITS MAILMAX={self._limits.messages} RCPTMAX={self._limits.recipients}",
        ]
        if self.tls_context is not None and not self._client.is_secured:
            words.append("STARTTLS")
        if self._may_sign_in:
            words.append("AUTH " + " ".join(self._gate.mechanisms(self._client)))
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        self.reply("".join(lines).encode("ascii"))

    async def smtp_HELO(self, argument: str) -> None:
        """RFC 5321 §4.1.1.1, without extensions."""
        if self._greet(argument):
            self._client.is_extended = False
            self.reply(f"250 {self._policy.hostname}\r\n".encode("ascii"))

    def _greet(self, argument: str) -> bool:
        self.count_junk()
        name = grammar.parse_helo(argument)
        if name is None:
            self.count_error(replies.HELO_SYNTAX)
            return False
        self._client.helo = name
        self._abandon()
        return True

    # ref: ECO.1.0.1
    async def smtp_STARTTLS(self, argument: str) -> None:
        """RFC 3207. Commands that came along in clear are an attack (CVE-2011-0411): the connection ends."""
        if argument:
            self.count_error(replies.NO_ARGUMENT)
        elif self._client.is_secured:
            self.count_error(replies.ALREADY_SECURED)
        elif self.tls_context is None:
            self.count_error(replies.NOT_IMPLEMENTED)
        elif self._buffer:
            self.reply(replies.COMMANDS_BEHIND_STARTTLS)
            raise Closing
        else:
            self._abandon()
            self.reply(replies.READY_FOR_TLS)
            await self.flush()
            self._begin_tls(self.tls_context)
            await self._secure()

    async def smtp_RSET(self, argument: str) -> None:
        """RFC 5321 §4.1.1.5."""
        self.count_junk()
        if argument:
            self.count_error(replies.NO_ARGUMENT)
            return
        self._abandon()
        self.reply(replies.OK)

    async def smtp_NOOP(self, argument: str) -> None:
        """RFC 5321 §4.1.1.9."""
        self.count_junk()
        self.reply(replies.OK)

    async def smtp_HELP(self, argument: str) -> None:
        """RFC 5321 §4.1.1.8."""
        self.count_junk()
        self.reply(replies.HELP)

    async def smtp_VRFY(self, argument: str) -> None:
        """RFC 5321 §3.5.3: says nothing about who has a mailbox here."""
        self.count_junk()
        self.reply(replies.CANNOT_VERIFY)

    async def smtp_EXPN(self, argument: str) -> None:
        """RFC 5321 §4.1.1.7: no mailing lists."""
        self.count_error(replies.NOT_IMPLEMENTED)

    async def smtp_QUIT(self, argument: str) -> None:
        """RFC 5321 §4.1.1.10."""
        if argument:
            self.count_error(replies.NO_ARGUMENT)
            return
        self.reply(replies.GOODBYE)
        raise Closing

    def _abandon(self) -> None:
        if self._transaction is not None:
            self._transaction.reservation.release()
            self._transaction = None

    def _finish(self) -> None:
        self._abandon()
        super()._finish()

    # Sign-in -------------------------------------------------------------------------------------------------

    @property
    def _may_sign_in(self) -> bool:
        return self._policy.offers_sign_in and (self._client.is_secured or self._policy.allows_plain_sign_in)

    async def smtp_AUTH(self, argument: str) -> None:
        """RFC 4954 §4."""
        words = argument.split()
        refusal = self._refuse_sign_in(words)
        if refusal is not None:
            self.count_error(refusal)
            return
        mechanism = Mechanism(words[0].upper())
        try:
            initial = _decoded(words[1].encode()) if len(words) == 2 else None
            self._allow(self._limits.idle)
            self._is_at_work = True  # a guess is counted although the client hangs up
            answer = await self._gate.sign_in(self._client, mechanism, initial, self._ask)
        except _NoAnswer as fault:
            self.count_error(fault.reply)
            return
        except Malformed:
            self.count_error(replies.BAD_RESPONSE)
            return
        except EndsBehind as end:
            self.reply(_challenge(end.challenge))
            raise Closing from None
        finally:
            self._is_at_work = False
        if isinstance(answer, Principal):
            self._client.principal = answer
            self.reply(replies.SIGNED_IN)
            return
        self._failures += 1
        self.reply(replies.refused(answer.refusal))
        if self._failures >= self._limits.sign_in_failures:
            self.reply(replies.TOO_MANY_FAILURES)
            raise Closing

    def _refuse_sign_in(self, words: list[str]) -> bytes | None:
        if not self._policy.offers_sign_in:
            return replies.NOT_IMPLEMENTED
        if not self._client.is_extended:
            return replies.HELO_FIRST
        if not self._may_sign_in:
            return replies.TLS_NEEDED_TO_SIGN_IN
        if self._client.principal is not None:
            return replies.ALREADY_SIGNED_IN
        if self._transaction is not None:
            return replies.BAD_SEQUENCE
        if not 1 <= len(words) <= 2:
            return replies.AUTH_SYNTAX
        if words[0].upper() not in self._gate.mechanisms(self._client):
            return replies.UNKNOWN_MECHANISM
        return None

    async def _ask(self, challenge: bytes) -> bytes:
        """RFC 4954 §4: a 334 with the challenge, and the line that answers it, both in base64."""
        if self._is_leaving:
            self.reply(replies.SHUTTING_DOWN)
            raise Closing
        self._is_at_work, self._is_listening = False, True
        try:
            self.reply(_challenge(challenge))
            await self.flush()
            response = await self.read_line(self._limits.sign_in_bytes)
        finally:
            self._is_at_work, self._is_listening = True, False
        if response == b"*":
            raise _NoAnswer(replies.SIGN_IN_CANCELLED)
        return _decoded(response)

    # Transaction ---------------------------------------------------------------------------------------------

    # ref: MSS/va1.13, F13
    async def smtp_MAIL(self, argument: str) -> None:
        """RFC 5321 §4.1.1.2."""
        client = self._client
        if not client.helo:
            self.count_error(replies.HELO_FIRST)
        elif self._policy.requires_sign_in and client.principal is None:
            self.count_error(replies.SIGN_IN_FIRST if self._may_sign_in else replies.TLS_FIRST)
        elif self._transaction is not None:
            self.count_error(replies.NESTED_MAIL)
        elif self._messages >= self._limits.messages:
            self.reply(replies.TOO_MANY_MESSAGES)
            raise Closing
        else:
            mail = grammar.parse_mail(argument)
            if isinstance(mail, Fault):
                self.count_error(_MAIL_FAULTS[mail])
                return
            if mail.size is not None and mail.size > self._limits.message_bytes:
                self.reply(replies.TOO_BIG)
                return
            refusal = await self._gate.sender(client, mail.sender)
            if refusal is not None:
                self.count_junk()
                self.reply(replies.refused(refusal))
                return
            self._transaction = Transaction(mail, Reservation(self._budget, client.holders))
            self.reply(replies.SENDER_OK)

    async def smtp_RCPT(self, argument: str) -> None:
        """RFC 5321 §4.1.1.3."""
        transaction = self._transaction
        if transaction is None:
            self.count_error(replies.MAIL_FIRST)
            return
        if transaction.chunks is not None:
            self.count_error(replies.BAD_SEQUENCE)
            return
        rcpt = grammar.parse_rcpt(argument, utf8=transaction.mail.utf8)
        if isinstance(rcpt, Fault):
            self.count_error(_RCPT_FAULTS[rcpt])
            return
        recipient = rcpt.recipient
        if recipient == "postmaster":
            recipient = f"postmaster@{self._policy.hostname}"
        if recipient in transaction.recipients:
            self.reply(replies.RECIPIENT_OK)
            return
        if len(transaction.recipients) >= self._limits.recipients:
            self.count_junk()
            self.reply(replies.TOO_MANY_RECIPIENTS)
            return
        refusal = await self._gate.recipient(self._client, transaction.mail.sender, recipient)
        if refusal is not None:
            # Counted, so that a connection cannot be used to find out who has a mailbox.
            self.count_junk()
            self.reply(replies.refused(refusal))
            return
        transaction.recipients[recipient] = rcpt
        self.reply(replies.RECIPIENT_OK)

    async def smtp_DATA(self, argument: str) -> None:
        """RFC 5321 §4.1.1.4."""
        transaction = self._transaction
        if argument:
            self.count_error(replies.NO_ARGUMENT)
        elif transaction is None:
            self.count_error(replies.MAIL_FIRST)
        elif not transaction.recipients:
            self.reply(replies.NO_RECIPIENTS)
        elif transaction.chunks is not None:
            self.count_error(replies.BAD_SEQUENCE)
        elif self._buffer:
            # RFC 2920 §3.1. Whoever does not wait may as well be a page in a browser, or hide a message.
            self.reply(replies.CONTENT_BEFORE_354)
            raise Closing
        else:
            self.reply(replies.SEND_DATA)
            await self.flush()
            reader = DataReader(self._limits.message_bytes)
            await self.receive_data(reader, transaction.mail.size or 0, transaction.reservation)
            await self._take(transaction, reader.content)

    async def smtp_BDAT(self, argument: str) -> None:
        """RFC 3030 §2. The octets come without being asked for, so those of a refused chunk are read too."""
        chunk = grammar.parse_bdat(argument)
        if chunk is None:
            self.reply(replies.BDAT_SYNTAX)
            raise Closing  # nobody knows how many octets follow
        transaction = self._transaction
        if transaction is None or not transaction.recipients:
            await self.discard(chunk.size)
            self.count_error(replies.MAIL_FIRST if transaction is None else replies.NO_RECIPIENTS)
            return
        if transaction.chunks is None:
            transaction.chunks = ChunkReader(self._limits.message_bytes)
        chunks = transaction.chunks
        await self.receive_chunk(chunk.size, chunks, transaction.mail.size or 0, transaction.reservation)
        if chunk.is_last:
            chunks.finish()
        if chunk.is_last or chunks.content.fault is not None:
            await self._take(transaction, chunks.content)
        else:
            self.reply(replies.OK)

    async def _take(self, transaction: Transaction, content: Content) -> None:
        """End the transaction: hand what was received to the gate and answer for it."""
        self._transaction = None
        with transaction.reservation:
            await self._hand_over(transaction, content)

    async def _hand_over(self, transaction: Transaction, content: Content) -> None:
        if content.fault is not None:
            self.count_junk()
            self.reply(_CONTENT_FAULTS[content.fault])
            if content.fault in _SMUGGLING:
                raise Closing
            return
        client = self._client
        envelope = Envelope(
            sender=transaction.mail.sender,
            recipients=tuple(transaction.recipients),
            content=content.getvalue(),
            principal=client.principal,
            peer=client.peer,
            helo=client.helo,
            protocol=client.protocol_word(utf8=transaction.mail.utf8),
            origin=Origin.SUBMISSION if client.principal is not None else Origin.PEER,
            dsn=transaction.dsn(),
            utf8=transaction.mail.utf8,
            speaks_for=client.speaks_for,
            peer_host=client.host,
        )
        self._is_at_work = True
        try:
            outcome = await self._gate.deliver(client, envelope)
            if isinstance(outcome, Accepted):
                self._messages += 1
                self._junk = self._errors = 0
                await self._acknowledge(outcome)
            else:
                self.count_junk()
                self.reply(replies.refused(outcome.refusal))
        finally:
            self._is_at_work = False

    async def _acknowledge(self, accepted: Accepted) -> None:
        self.reply(replies.queued(accepted.queue_id))
        await self.flush()
        if self._has_said_all:
            # It may be gone altogether and send the message again: whoever delivered it must still know it.
            return
        try:
            await self._gate.acknowledged(accepted)
        # The 250 is out: no second reply may follow.
        except Exception as error:
            self.log_failure(error)

    commands = MappingProxyType(
        {
            b"HELO": smtp_HELO,
            b"EHLO": smtp_EHLO,
            b"STARTTLS": smtp_STARTTLS,
            b"AUTH": smtp_AUTH,
            b"MAIL": smtp_MAIL,
            b"RCPT": smtp_RCPT,
            b"DATA": smtp_DATA,
            b"BDAT": smtp_BDAT,
            b"RSET": smtp_RSET,
            b"NOOP": smtp_NOOP,
            b"HELP": smtp_HELP,
            b"VRFY": smtp_VRFY,
            b"EXPN": smtp_EXPN,
            b"QUIT": smtp_QUIT,
        }
    )
