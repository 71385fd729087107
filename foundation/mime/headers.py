"""The names other packages read mail by: words, addresses, dates, the text to show, the attachments, folding."""

from __future__ import annotations

from foundation.mime.addresses import Group, MailAddress, parse_addresses
from foundation.mime.dates import MailDate, parse_date
from foundation.mime.folding import encode_words, fold, format_address
from foundation.mime.reading import Attachment, attachments, display_text, html_to_text
from foundation.mime.words import decode_words

__all__ = [
    "Attachment",
    "Group",
    "MailAddress",
    "MailDate",
    "attachments",
    "decode_words",
    "display_text",
    "encode_words",
    "fold",
    "format_address",
    "html_to_text",
    "parse_addresses",
    "parse_date",
]
