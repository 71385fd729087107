"""The trigram index leaves out no text that holds what is looked for, and keeps owners apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from foundation.cipher import DatabaseKey
from foundation.database import UnitOfWork, metadata
from foundation.database_file import convert
from foundation.mime.casemap import fold_needle, fold_text, trigrams_of
from foundation.mime.search_text import SearchText
from foundation.prepared import prepared_of
from foundation.sqlite import engine_for
from mailserver.store import search_index
from mailserver.store.search_index import Lack, mails_with
from vaguemestre import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

assert schema.metadata is metadata
words = st.text(st.sampled_from("aAbéÉèœß '\"’-日本😀\ue000\n%_*"), max_size=30)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    file: Path = tmp_path_factory.mktemp("index") / "x.db"
    engine = engine_for(f"sqlite:///{file}", begin="BEGIN")
    with engine.connect() as opened:
        metadata.create_all(opened)
        opened.commit()
        yield opened
    engine.dispose()


def keep(connection: Connection, owner_id: int, mail_id: int, head: str, body: str) -> UnitOfWork:
    uow = UnitOfWork(connection, {}, prepared_of(connection))
    connection.execute(text("PRAGMA defer_foreign_keys=ON"))
    search_index.keep_text(uow, owner_id, mail_id, SearchText(head, body, True, True))
    return uow


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=words, needle=words, after=words, owner_id=st.integers(1, 2**22), mail_id=st.integers(1, 2**39))
def test_a_text_that_holds_the_needle_is_found_by_its_trigrams(
    connection: Connection, before: str, needle: str, after: str, owner_id: int, mail_id: int
) -> None:
    trigrams = trigrams_of(fold_needle(needle))
    body = fold_text(before + needle + after)
    uow = keep(connection, owner_id, mail_id, "\nsubject: x\n\t\n\t\n\t\n\t\n\t", body)
    try:
        assert search_index.lacking(connection, owner_id) == {mail_id: Lack.INDEX}
        assert search_index.index_texts(uow, 1, 10) == 1
        assert search_index.lacking(connection, owner_id) == {}
        if trigrams and fold_needle(needle) in body:
            assert mails_with(connection, owner_id, trigrams) == [mail_id]
            assert mails_with(connection, owner_id + 1, trigrams) == []
            assert mails_with(connection, owner_id - 1, trigrams) == []
        assert mails_with(connection, owner_id, ("zzz",)) == []
        assert search_index.bodies(connection, [mail_id]) == [(mail_id, body.encode())]
    finally:
        connection.rollback()


def test_the_index_is_there_after_the_file_was_encrypted(tmp_path: Path) -> None:
    file, key = tmp_path / "x.db", DatabaseKey(bytes(range(32)))
    engine = engine_for(f"sqlite:///{file}", begin="BEGIN")
    with engine.connect() as plain, plain.begin():
        metadata.create_all(plain)
        plain.execute(text("PRAGMA defer_foreign_keys=ON"))
        plain.execute(text("INSERT INTO vault_owner (id, wrapped_key) VALUES (3, x'00')"))
        plain.execute(
            text(
                "INSERT INTO mail (id, owner_id, blob_id, size, subject, envelope, body, bodystructure, parts)"
                " VALUES (7, 3, 1, 1, '', x'', x'', x'', x'')"
            )
        )
        search_index.index_texts(keep(plain, 3, 7, "\n", "a word"), 1, 1)
    engine.dispose()
    convert(file, None, key, lambda _: None)
    engine = engine_for(f"sqlite:///{file}", key=key, begin="BEGIN")
    with engine.connect() as encrypted:
        encrypted.execute(text("SELECT 1"))
        assert mails_with(encrypted, 3, ("wor", "ord")) == [7]
        encrypted.execute(text("DELETE FROM mail"))
        encrypted.execute(text("INSERT INTO mail_index (mail_index) VALUES ('integrity-check')"))
        assert mails_with(encrypted, 3, ("wor",)) == []
    engine.dispose()
