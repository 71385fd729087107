"""Every reply of the SMTP server as octets (RFC 5321 §4.2, RFC 3463).

What a person may come to read is a refusal of the house with its French sentence (mailserver.refusals); what
only a program can have caused is English and stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailserver import refusals

if TYPE_CHECKING:
    from mailserver.refusals import Refusal


def refused(refusal: Refusal) -> bytes:
    """A refusal of the house as one line of at most 512 octets (RFC 5321 §4.5.3.1.5)."""
    line = f"{refusal.reply} {refusal.smtp_text}".encode("ascii", "replace")
    return b" ".join(line.split())[:510] + b"\r\n"


OK = b"250 2.0.0 Ok\r\n"
SENDER_OK = b"250 2.1.0 Ok\r\n"
RECIPIENT_OK = b"250 2.1.5 Ok\r\n"
GOODBYE = b"221 2.0.0 Bye\r\n"
NOT_A_WEB_SERVER = b"221 2.7.0 This is a mail server\r\n"
HELP = b"214 2.0.0 EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT\r\n"
CANNOT_VERIFY = b"252 2.5.2 Addresses are not verified, send the message to try\r\n"
SIGNED_IN = b"235 2.7.0 Authentication successful\r\n"
SEND_DATA = b"354 End data with <CR><LF>.<CR><LF>\r\n"
READY_FOR_TLS = b"220 2.0.0 Ready to start TLS\r\n"

SHUTTING_DOWN = b"421 4.3.2 Service is shutting down\r\n"
TOO_SLOW = b"421 4.4.2 Timeout, closing connection\r\n"
TOO_MANY_CONNECTIONS = refused(refusals.TOO_MANY_CONNECTIONS)
TOO_MANY_MESSAGES = b"421 4.7.0 Too many messages on this connection, open another one\r\n"
TOO_MANY_ERRORS = b"421 4.7.0 Too many errors\r\n"
TOO_MUCH_JUNK = b"421 4.7.0 Too many commands without mail\r\n"
TOO_MANY_FAILURES = b"421 4.7.0 Too many failed sign-ins\r\n"
NO_MEMORY = b"452 4.3.1 Too many large messages at once, try again later\r\n"
TOO_MANY_RECIPIENTS = refused(refusals.TOO_MANY_RECIPIENTS)

LINE_TOO_LONG = b"500 5.5.2 Line too long\r\n"
BARE_LINE_END = b"500 5.5.2 Lines end with CR LF\r\n"
NOT_TEXT = b"500 5.5.2 Commands are UTF-8 text without control characters\r\n"
UNKNOWN_COMMAND = b"500 5.5.1 Command not recognized\r\n"
NO_ARGUMENT = b"501 5.5.4 No argument is allowed\r\n"
HELO_SYNTAX = b"501 5.5.4 Syntax: EHLO hostname\r\n"
MAIL_SYNTAX = b"501 5.5.4 Syntax: MAIL FROM:<address> [SP parameters]\r\n"
RCPT_SYNTAX = b"501 5.5.4 Syntax: RCPT TO:<address> [SP parameters]\r\n"
AUTH_SYNTAX = b"501 5.5.4 Syntax: AUTH mechanism [SP initial-response]\r\n"
BDAT_SYNTAX = b"501 5.5.4 Syntax: BDAT size [SP LAST]\r\n"
BAD_PARAMETER = b"501 5.5.4 Parameter value not allowed\r\n"
BAD_BASE64 = b"501 5.5.2 Cannot decode the response\r\n"
BAD_RESPONSE = b"501 5.5.2 Not a response of this mechanism\r\n"
SIGN_IN_CANCELLED = b"501 5.7.0 Authentication cancelled\r\n"
NOT_IMPLEMENTED = b"502 5.5.1 Command not implemented\r\n"
BAD_SEQUENCE = b"503 5.5.1 Bad sequence of commands\r\n"
HELO_FIRST = b"503 5.5.1 Send EHLO first\r\n"
MAIL_FIRST = b"503 5.5.1 Send MAIL first\r\n"
NESTED_MAIL = b"503 5.5.1 A transaction is already open\r\n"
ALREADY_SIGNED_IN = b"503 5.5.1 Already authenticated\r\n"
ALREADY_SECURED = b"503 5.5.1 TLS is already active\r\n"
UNKNOWN_MECHANISM = b"504 5.5.4 Authentication mechanism not supported\r\n"
SIGN_IN_FIRST = refused(refusals.NOT_SIGNED_IN)
TLS_FIRST = refused(refusals.TLS_REQUIRED)
TLS_NEEDED_TO_SIGN_IN = b"538 5.7.11 Encryption required for authentication\r\n"
BAD_LINE_ENDS_IN_DATA = refused(refusals.BARE_LINE_END)
NUL_IN_DATA = refused(refusals.NUL_IN_MESSAGE)
LONG_LINE_IN_DATA = refused(refusals.LONG_LINE)
TOO_BIG = refused(refusals.TOO_BIG)
BAD_ADDRESS = refused(refusals.INVALID_ADDRESS)
NEEDS_SMTPUTF8 = b"553 5.6.7 Such an address needs SMTPUTF8\r\n"
NO_RECIPIENTS = refused(refusals.NO_RECIPIENT)
CONTENT_BEFORE_354 = b"554 5.5.0 Nothing may follow DATA before its reply\r\n"
COMMANDS_BEHIND_STARTTLS = b"554 5.5.1 Nothing may follow STARTTLS\r\n"
UNKNOWN_PARAMETER = b"555 5.5.4 Parameter not recognized\r\n"


def greeting(hostname: str) -> bytes:
    return f"220 {hostname} ESMTP Vaguemestre\r\n".encode("ascii")


def queued(queue_id: str) -> bytes:
    return f"250 2.0.0 Ok: queued as {queue_id}\r\n".encode("ascii")


def failure(reference: str) -> bytes:
    """An error of ours: the client may try again, the reference stands in the log."""
    return refused(refusals.INTERNAL).removesuffix(b"\r\n") + f" ({reference})\r\n".encode("ascii")
