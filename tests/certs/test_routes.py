from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from certs.routes import (
    RoutesUnusable,
    checked_routes,
    format_address,
    parse_address,
    read_routes,
    set_route,
    unset_route,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:25", ("127.0.0.1", 25)),
        ("mx.a.fr:2525", ("mx.a.fr", 2525)),
        ("[::1]:25", ("::1", 25)),
        (" localhost:65535 ", ("localhost", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert parse_address(format_address(address)) == address


@pytest.mark.parametrize(
    "text", ["", "a.fr", ":25", "a.fr:", "a.fr:0", "a.fr:65536", "a.fr:x", "::1:25", "[::1]", "a b:25"]
)
def test_anything_else_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(RoutesUnusable, match="write host:port"):
        set_route(tmp_path, "a.fr", text)
    assert not (tmp_path / "routes.toml").exists()


def test_a_route_is_set_changed_and_unset(tmp_path: Path) -> None:
    assert read_routes(tmp_path) == {}
    assert set_route(tmp_path, "Hôpital.FR", "127.0.0.1:25")
    assert not set_route(tmp_path, "hôpital.fr", "127.0.0.1:25")
    assert set_route(tmp_path, "b.fr", "[::1]:26")
    assert set_route(tmp_path, "b.fr", "[::1]:27")
    assert read_routes(tmp_path) == {
        "xn--hpital-ixa.fr": ("127.0.0.1", 25),
        "b.fr": ("::1", 27),
    }
    assert unset_route(tmp_path, "B.FR")
    assert not unset_route(tmp_path, "b.fr")
    assert not unset_route(tmp_path, "a b")
    assert list(read_routes(tmp_path)) == ["xn--hpital-ixa.fr"]


def test_two_who_set_routes_at_once_lose_none(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: set_route(tmp_path, f"d{number}.fr", "a.fr:25"), range(40)))
    assert len(read_routes(tmp_path)) == 40


@pytest.mark.parametrize(
    "text", ["not toml", '"a.fr" = 25', '"a b" = "c:25"', '"a.fr" = "c"', "[a]\nb = 'c:1'", "\xff"]
)
def test_a_wrong_file_is_told_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "routes.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(RoutesUnusable) as unusable:
        read_routes(tmp_path)
    assert "\n" not in str(unusable.value)


def test_a_route_of_a_name_that_is_no_domain_is_refused() -> None:
    with pytest.raises(RoutesUnusable, match="is no domain"):
        checked_routes({"a@b.fr": "c:25"})
