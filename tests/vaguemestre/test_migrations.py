from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from foundation.cipher import key_of
from foundation.settings import load
from foundation.sqlite import engine_for
from mailserver.store.search_index import Lack, lacking, mails_without_text
from vaguemestre import migrate
from vaguemestre.migrate import SchemaTooNew, current, upgrade
from vaguemestre.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.cipher import DatabaseKey
    from tests.vaguemestre.conftest import Said


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'vaguemestre.db'}"


def is_compared(name: str | None, kind: str, parents: object) -> bool:
    """The search index is made by hand, and the tables below it by FTS5."""
    return kind != "table" or name is None or not name.startswith("mail_index")


def differences(url: str) -> list[object]:
    engine = engine_for(url, begin="BEGIN")
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "include_name": is_compared}
            )
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def execute(url: str, statement: str, key: DatabaseKey | None = None) -> None:
    engine = engine_for(url, key=key, begin="BEGIN IMMEDIATE")
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(text(statement))
    finally:
        engine.dispose()


def revision(url: str, key: DatabaseKey | None = None) -> str | None:
    engine = engine_for(url, key=key, begin="BEGIN")
    try:
        with engine.connect() as connection:
            return current(connection)
    finally:
        engine.dispose()


def test_an_empty_database_comes_to_the_tables_of_this_version(url: str) -> None:
    before, after = upgrade(url, None)
    assert before is None
    assert after == revision(url)
    assert after is not None
    assert differences(url) == []


def test_the_comparison_sees_a_missing_column_and_a_missing_index(url: str) -> None:
    upgrade(url, None)
    execute(url, "DROP INDEX trail_by_subject")
    execute(url, "ALTER TABLE trail DROP COLUMN detail")
    assert {str(each[0]) for each in differences(url) if isinstance(each, tuple)} == {
        "add_index",
        "add_column",
    }


def test_a_second_run_changes_nothing(url: str) -> None:
    _, after = upgrade(url, None)
    execute(url, "INSERT INTO signin_failure (key, failures, last_at) VALUES ('k', 1, 2)")
    assert upgrade(url, None) == (after, after)
    assert differences(url) == []
    engine = engine_for(url, begin="BEGIN")
    try:
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM signin_failure")).scalar() == 1
    finally:
        engine.dispose()


def upgrade_to(url: str, wanted: str) -> None:
    """As an older version did."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = engine_for(url, begin="BEGIN IMMEDIATE")
    try:
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, wanted)
    finally:
        engine.dispose()


def test_mails_of_an_older_version_wait_for_their_texts(url: str) -> None:
    upgrade_to(url, "0003")
    execute(url, "INSERT INTO vault_owner (id, wrapped_key) VALUES (3, x'00')")
    execute(
        url,
        "INSERT INTO mail (id, owner_id, blob_id, size, subject, envelope, body, bodystructure, parts)"
        " VALUES (7, 3, 1, 1, '', x'', x'', x'', x'')",
    )
    upgrade(url, None)
    engine = engine_for(url, begin="BEGIN")
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            assert mails_without_text(connection, 10) == [(7, 3, 1)]
            assert lacking(connection, 3) == {7: Lack.TEXT | Lack.INDEX}
    finally:
        engine.dispose()


def test_boxes_of_an_older_version_know_their_last_sign_in_from_the_trail(url: str) -> None:
    upgrade_to(url, "0009")
    for owner, address in ((3, "a@b.fr"), (4, "c@d.fr")):
        execute(url, f"INSERT INTO vault_owner (id, wrapped_key) VALUES ({owner}, x'00')")
        execute(
            url,
            "INSERT INTO bal (owner_id, address, type, name, state, red_list, created_at)"
            f" VALUES ({owner}, '{address}', 'PER', 'N', 'active', 0, 10)",
        )
    for number, action, at in ((1, "signin.accepted", 20), (2, "signin.accepted", 30), (3, "bal.state", 40)):
        execute(
            url,
            "INSERT INTO trail (seq, at, action, actor, subject, outcome, detail, hash)"
            f" VALUES ({number}, {at}, '{action}', 'x', 'bal:3', 'x', '{{}}', 'x')",
        )
    upgrade(url, None)
    engine = engine_for(url, begin="BEGIN")
    try:
        with engine.connect() as connection:
            found = connection.execute(
                text("SELECT last_sign_in_at, changed_at, version FROM bal ORDER BY owner_id")
            ).all()
    finally:
        engine.dispose()
    assert found == [(30, 40, 1), (None, 10, 1)]


# ref: DMP-F17
def test_documents_of_an_older_version_are_given_identities_and_a_first_version(url: str) -> None:
    upgrade_to(url, "0012")
    execute(url, "INSERT INTO vault_owner (id, wrapped_key) VALUES (3, x'00')")
    for number, origin, unseen in ((1, "professional", 1), (2, "patient", 0)):
        execute(
            url,
            "INSERT INTO document (id, owner_id, unique_id, version_number, status, origin, title, type_code, category,"
            " format_code, confidentiality, masked_to_professionals, invisible_to_patient,"
            " invisible_to_representatives, language, creation_at, author_id, author_name, author_specialty,"
            " institution, institution_id, sender, size, sha1, media_type, blob_id, mail_id, filed_at)"
            f" VALUES ({number}, 3, '1.2.{number}', 1, 'approved', '{origin}', 't', 'c', 'c', 'f', 'N', 0, {unseen},"
            " 0, 'fr', 20, '', '', '', '', '', '', 1, '', 'application/pdf', 1, 1, 30)",
        )
    upgrade(url, None)
    engine = engine_for(url, begin="BEGIN")
    try:
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT mime_type, depositor_id, invisible_since, act_at, changed_at, entry, logical_id, entry_uuid"
                    " FROM document ORDER BY id"
                )
            ).all()
            history = connection.execute(
                text(
                    "SELECT document_id, metadata_version, status, entry_uuid FROM document_revision ORDER BY 1"
                )
            ).all()
    finally:
        engine.dispose()
    assert [row[:6] for row in found] == [
        ("text/xml", "", 30, 20, 30, "{}"),
        ("application/pdf", "patient:3", None, 20, 30, "{}"),
    ]
    named = [name for row in found for name in row[6:]]
    assert len(set(named)) == 4
    assert all(UUID(name.removeprefix("urn:uuid:")).version == 4 for name in named)
    assert [tuple(row) for row in history] == [
        (number, 1, "approved", row[7]) for number, row in enumerate(found, 1)
    ]


def test_guardians_and_closed_records_of_an_older_version_go_on(url: str) -> None:
    upgrade_to(url, "0013")
    closed_at = 1_700_000_000_000  # 14 November 2023
    for owner, born, state in (
        (1, "1951-09-01", "activated"),
        (2, "2020-01-01", "activated"),
        (3, "1990-01-01", "closed"),
    ):
        execute(url, f"INSERT INTO vault_owner (id, wrapped_key) VALUES ({owner}, x'00')")
        execute(
            url,
            "INSERT INTO patient (owner_id, ins, ins_oid, birth_name, first_names, birth_date, sex, state,"
            f" created_at, closed_at) VALUES ({owner}, '{owner:015d}', 'o', 'N', 'P', '{born}', 'F', '{state}', 10,"
            f" {closed_at if state == 'closed' else 'NULL'})",
        )
    for owner in (1, 2):
        execute(url, f"INSERT INTO representative (patient_owner, representative_owner) VALUES ({owner}, 3)")
    upgrade(url, None)
    engine = engine_for(url, begin="BEGIN")
    try:
        with engine.connect() as connection:
            held = connection.execute(text("SELECT owner_id, kind FROM record_guardianship ORDER BY 1")).all()
            assert [tuple(row) for row in held] == [(1, "tutelle"), (2, "parental")]
            (closing,) = connection.execute(
                text("SELECT owner_id, closed_at, purge_at FROM record_closing")
            ).all()
            assert tuple(closing) == (3, closed_at, 2_015_619_200_000)  # 14 November 2033, the same hour
    finally:
        engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    upgrade(url, None)
    execute(url, "UPDATE alembic_version SET version_num = '9999_later'")
    with pytest.raises(SchemaTooNew, match="9999_later"):
        upgrade(url, None)
    assert revision(url) == "9999_later"


def test_every_command_says_that_the_database_is_too_new(
    empty_home: Path, vaguemestre: Callable[..., Said]
) -> None:
    settings = load(empty_home)
    later = "UPDATE alembic_version SET version_num = '9999_later'"
    execute(settings.database_url, later, key_of(settings))
    for words in (("bal", "list"), ("migrate",), ("trail", "verify")):
        vaguemestre(*words, "--home", str(empty_home)).is_refused("9999_later")


def test_the_command_prints_both_revisions(empty_home: Path, vaguemestre: Callable[..., Said]) -> None:
    said = vaguemestre("migrate", "--home", str(empty_home), "--json")
    assert said.code == 0
    settings = load(empty_home)
    stored = revision(settings.database_url, key_of(settings))
    assert said.json["before"] == said.json["after"] == stored
