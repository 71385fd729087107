"""What a session keeps between two pages is read with its token alone."""

from __future__ import annotations

from portal import pocket


def test_the_content_comes_back_under_the_same_token() -> None:
    content = {"said": "C’est fait.", "codes": ["A", "B"]}
    sealed = pocket.seal("token", content)
    assert sealed is not None
    assert b"fait" not in sealed
    assert pocket.unseal("token", sealed) == content


def test_another_token_and_a_changed_pocket_read_as_empty() -> None:
    sealed = pocket.seal("token", {"said": "C’est fait."})
    assert sealed is not None
    assert pocket.unseal("other", sealed) == {}
    assert pocket.unseal("token", sealed[:-1] + bytes([sealed[-1] ^ 1])) == {}


def test_an_empty_pocket_is_no_pocket() -> None:
    assert pocket.seal("token", {}) is None
    assert pocket.unseal("token", None) == {}


def test_the_same_content_is_never_sealed_the_same_way_twice() -> None:
    assert pocket.seal("token", {"a": 1}) != pocket.seal("token", {"a": 1})
