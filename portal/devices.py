"""The device behind a session, as its person recognises it: a browser, a system and a network address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

_LOOKED_AT = 512
_LONGEST_PEER = 64
# The order counts: Edge and Opera say that they are Chrome, Chrome that it is Safari, Android that it is Linux.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """`agent` is one of few labels (« Firefox, Linux »), never what the browser sent; `peer` a network address."""

    agent: str = ""
    peer: str = ""


UNKNOWN = Device()


def device_of(request: Request) -> Device:
    """The device that made a request."""
    return Device(label_of(request.headers.get("user-agent", "")), peer_of(request))


def peer_of(request: Request) -> str:
    """The network address of a request's socket, empty where there is none."""
    return request.client.host[:_LONGEST_PEER] if request.client is not None else ""


def label_of(user_agent: str) -> str:
    """« Firefox, Linux » from a User-Agent (RFC 9110 §10.1.5); « Navigateur inconnu » where nothing is recognised."""
    text = user_agent[:_LOOKED_AT]
    browser = next((name for mark, name in _BROWSERS if mark in text), "Navigateur inconnu")
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    return f"{browser}, {system}" if system is not None else browser
