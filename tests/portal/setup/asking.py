"""What clients send when they look for a server, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    Asking = Callable[..., httpx2.AsyncClient]

DOMAINS = ["hopital-demo.mssante.fr", "liberal-demo.mssante.fr"]
OUTLOOK_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"


def outlook(address: str, schema: str = OUTLOOK_SCHEMA) -> bytes:
    """The body of Outlook 2016."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{_REQUEST}"><Request>'
        f"<EMailAddress>{address}</EMailAddress>"
        f"<AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


def thunderbird(address: str) -> bytes:
    """The body of Thunderbird 153 (ExchangeAutoDiscover.sys.mjs)."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
    <Autodiscover xmlns="{_REQUEST}">
      <Request>
        <EMailAddress>{address}</EMailAddress>
        <AcceptableResponseSchema>{OUTLOOK_SCHEMA}</AcceptableResponseSchema>
      </Request>
    </Autodiscover>""".encode()


def without_schema(address: str) -> bytes:
    """A client that takes what there is, in the order of its own."""
    return (
        f'<a:Autodiscover xmlns:a="{_REQUEST}"><a:Request><a:LegacyDN/>'
        f"<a:EMailAddress> {address}\n</a:EMailAddress></a:Request></a:Autodiscover>"
    ).encode()
