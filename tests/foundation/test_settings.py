from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation.settings import FILE_NAME, SettingsError, explain, load

if TYPE_CHECKING:
    from pathlib import Path


def write(home: Path, text: str) -> Path:
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    return home


def test_a_nearly_empty_file_has_defaults_in_its_own_home(tmp_path: Path) -> None:
    settings = load(write(tmp_path, 'domains = ["Hopital-Demo.mssante.fr"]\n'))
    assert settings.domains == ["hopital-demo.mssante.fr"]
    assert settings.database_url == f"sqlite:///{tmp_path}/vaguemestre.db"
    assert settings.vault_url == f"file://{tmp_path}/vault"
    assert settings.limits.message_bytes == 25 * 1024 * 1024


def test_the_environment_goes_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAGUEMESTRE_PATIENTS__UNDELIVERABLE", "report")
    settings = load(write(tmp_path, '[patients]\nundeliverable = "refuse"\n'))
    assert settings.patients.undeliverable == "report"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense = 1\n", "nonsense"),
        ("[smtp]\nnonsense = 1\n", "smtp.nonsense"),
        ("[limits]\nmessage_bytes = 3\n", "limits.message_bytes"),
        ('[smtp]\nsubmission = "here"\n', "smtp.submission"),
        ("[[[", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence_that_names_the_key(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        load(write(tmp_path, text))
    assert "\n" not in str(refused.value).strip()


def test_an_unknown_variable_of_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAGUEMESTRE_SMTP__SUBMISION", "127.0.0.1:1")
    with pytest.raises(SettingsError, match="VAGUEMESTRE_SMTP__SUBMISION"):
        load(write(tmp_path, ""))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="vaguemestre init"):
        load(tmp_path)


def test_every_key_carries_its_explanation() -> None:
    lines = explain(None)
    assert len(lines) > 20
    assert [key for key, _, sentence in lines if not sentence] == []


def test_a_listener_that_is_empty_is_not_wanted(tmp_path: Path) -> None:
    settings = load(write(tmp_path, 'http = ""\n[smtp]\nsubmission = ""\n'))
    assert (settings.http, settings.smtp.submission) == ("", "")
    assert settings.imap.tls
