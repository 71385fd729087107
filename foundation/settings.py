"""Settings of an operator: `vaguemestre.toml` in its home, each key also as VAGUEMESTRE_<SECTION>__<KEY>.

Unknown keys are errors; each key carries the sentence that `vaguemestre doctor` prints.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from foundation.sections import (
    AccountSettings,
    ApiKey,
    BridgeSettings,
    DatabaseSettings,
    DirectorySettings,
    ImapSettings,
    LdapSettings,
    LifecycleSettings,
    LimitSettings,
    Listener,
    OutboundSettings,
    PatientSettings,
    PscSettings,
    QuotaSettings,
    RecordSettings,
    Section,
    SetupSettings,
    SmtpSettings,
    TlsSettings,
    TrackingSettings,
    TrustSettings,
    VaultSettings,
)

FILE_NAME = "vaguemestre.toml"


class SettingsError(Exception):
    """The settings are missing or wrong; the text is one sentence for the operator."""


class Settings(BaseSettings):
    """All settings of one operator, as one immutable value."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="VAGUEMESTRE_", env_nested_delimiter="__"
    )

    home: Path = Field(description="folder that holds everything of this operator")
    hostname: str = Field(
        "localhost", description="name of this server in greetings, Received and certificates"
    )
    domains: list[str] = Field(default_factory=list, description="professional domains hosted here")
    patient_domain: str = Field("patient.mssante.fr", description="domain of the patients' addresses")
    serves_patients: bool = Field(
        default=False,
        description="whether the patient domain is hosted here (only Mon espace santé and test places)",
    )
    sandbox: bool = Field(
        default=False, description="fictive data: shows the banner and allows the sandbox commands"
    )
    auto_answer: bool = Field(
        default=True, description="whether reponse.automatique-test@ of each hosted domain answers"
    )
    routes: dict[str, str] = Field(
        default_factory=dict,
        description="domain = host:port of its mail server, instead of its MX in the DNS",
    )
    metrics_from: list[str] = Field(
        default_factory=lambda: ["127.0.0.0/8", "::1/128"],
        description="networks that may read /metrics",
    )
    http: Listener = Field("127.0.0.1:1443", description="web pages over HTTPS: host:port, empty: not served")
    database: DatabaseSettings = DatabaseSettings()
    vault: VaultSettings = VaultSettings()
    tls: TlsSettings = TlsSettings()
    smtp: SmtpSettings = SmtpSettings()
    imap: ImapSettings = ImapSettings()
    ldap: LdapSettings = LdapSettings()
    trust: TrustSettings = TrustSettings()
    outbound: OutboundSettings = OutboundSettings()
    limits: LimitSettings = LimitSettings()
    quota: QuotaSettings = QuotaSettings()
    accounts: AccountSettings = AccountSettings()
    psc: PscSettings = PscSettings()
    setup: SetupSettings = SetupSettings()
    patients: PatientSettings = PatientSettings()
    bridge: BridgeSettings = BridgeSettings()
    record: RecordSettings = RecordSettings()
    tracking: TrackingSettings = TrackingSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    directory: DirectorySettings = DirectorySettings()

    @field_validator("domains")
    @classmethod
    def _lower(cls, domains: list[str]) -> list[str]:
        return [domain.lower() for domain in domains]

    @model_validator(mode="after")
    def _create_where_hosted(self) -> Self:
        if self.psc.create_domain and self.psc.create_domain.lower() not in self.domains:
            raise ValueError("psc.create_domain is not one of the domains hosted here")
        return self

    @model_validator(mode="after")
    def _open_in_a_sandbox_only(self) -> Self:
        if self.directory.fhir_access == "everything" and not self.sandbox:
            raise ValueError("directory.fhir_access is 'everything' in a sandbox only")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The environment goes over the file, as a container's owner expects.
        return (env_settings, init_settings)

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.home / 'vaguemestre.db'}"

    @property
    def vault_url(self) -> str:
        return self.vault.url or f"file://{self.home / 'vault'}"

    def path(self, path: Path) -> Path:
        """A path of the settings, relative ones taken from the home."""
        return self.home / path


def load(home: Path) -> Settings:
    """Reads the settings of `home`; raises SettingsError with one sentence that names the key."""
    home = home.absolute()
    file = home / FILE_NAME
    try:
        with file.open("rb") as stream:
            values = tomllib.load(stream)
    except FileNotFoundError as error:
        raise SettingsError(f"{file} does not exist: `vaguemestre init --home {home}` writes one") from error
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    return from_values(home, values)


def from_values(home: Path, values: dict[str, Any]) -> Settings:
    """Settings from already parsed values; raises SettingsError."""
    unknown = _unknown_environment()
    if unknown:
        raise SettingsError(f"{unknown} is no setting: `vaguemestre doctor` lists them")
    try:
        return Settings(**{"home": home, **values})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"{FILE_NAME}: {key} is no setting: `vaguemestre doctor` lists them"
            ) from error
        raise SettingsError(f"{FILE_NAME}: {key}: {first['msg']}") from error


def _unknown_environment() -> str | None:
    known = {f"VAGUEMESTRE_{name.replace('.', '__').upper()}" for name, _, _ in explain(None)}
    return next(
        (name for name in sorted(os.environ) if name.startswith("VAGUEMESTRE_") and name not in known), None
    )


def explain(settings: Settings | None) -> list[tuple[str, Any, str]]:
    """Every key with its value (its default where `settings` is None) and its sentence."""
    return list(_explain(Settings, settings, ""))


def _explain(model: type[BaseModel], values: BaseModel | None, prefix: str) -> list[tuple[str, Any, str]]:
    lines: list[tuple[str, Any, str]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        value = (
            getattr(values, name)
            if values is not None
            else field.get_default(call_default_factory=True, validated_data={})
        )
        if isinstance(kind, type) and issubclass(kind, Section):
            lines += _explain(kind, value, f"{prefix}{name}.")
        else:
            lines.append((f"{prefix}{name}", value, field.description or ""))
    return lines


__all__ = [
    "FILE_NAME",
    "AccountSettings",
    "ApiKey",
    "BridgeSettings",
    "DatabaseSettings",
    "DirectorySettings",
    "ImapSettings",
    "LdapSettings",
    "LifecycleSettings",
    "LimitSettings",
    "OutboundSettings",
    "PatientSettings",
    "PscSettings",
    "QuotaSettings",
    "RecordSettings",
    "Settings",
    "SettingsError",
    "SetupSettings",
    "SmtpSettings",
    "TlsSettings",
    "TrackingSettings",
    "TrustSettings",
    "VaultSettings",
    "explain",
    "from_values",
    "load",
]
