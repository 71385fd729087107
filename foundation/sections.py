"""The sections of the settings: each key with its bounds, its default and the sentence that explains it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Listener = Annotated[str, Field(pattern=r"^((\[[0-9A-Fa-f:]+\]|[^:\s]+):[0-9]{1,5})?$")]
"""host:port, or empty for a listener that is not wanted."""
HostName = Annotated[str, Field(pattern=r"^([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*)?$")]
HttpsUrl = Annotated[str, Field(pattern=r"^(https://[^\s@#?]+)?$")]
PublicPort = Annotated[int, Field(ge=0, le=65_535)]
MllpAddress = Annotated[
    str,
    Field(
        pattern=r"^mllps?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
        r":([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$"
    ),
]


class Section(BaseModel):
    """Keys under one heading of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    url: str = Field("", description="sqlite:///path of the database file; empty: vaguemestre.db in the home")
    cipher: bool = Field(
        default=True,
        description="whether the database file is encrypted; after a change: vaguemestre database encrypt or decrypt",
    )


class VaultSettings(Section):
    url: str = Field("", description="file:///folder of the large bodies; empty: vault/ in the home")
    master_key_file: Path = Field(
        Path("keys/master.key"), description="file of the master key (mode 600); losing it loses everything"
    )


class TlsSettings(Section):
    certificate: Path = Field(Path("pki/server.pem"), description="server certificate and its chain, PEM")
    key: Path = Field(
        Path("pki/server.key"), description="private key of the server certificate, PEM, mode 600"
    )
    ca_file: Path = Field(Path("pki/ca.pem"), description="certificates of the trust chain, PEM")


class SmtpSettings(Section):
    mx: Listener = Field(
        "127.0.0.1:1025",
        description="mail of other operators, mutual TLS required (port 25 in production): host:port, empty: not served",
    )
    submission: Listener = Field(
        "127.0.0.1:1587", description="submission with STARTTLS (RFC 6409): host:port, empty: not served"
    )
    submissions: Listener = Field(
        "127.0.0.1:1465", description="submission over implicit TLS (RFC 8314): host:port, empty: not served"
    )


class TrustSettings(Section):
    white_list_url: str = Field(
        "https://espacedeconfiance.mssante.fr/listeblanchemssante.xml",
        description="where the liste blanche is fetched from: https://… (certificate of tls.ca_file) or file:///…",
    )
    signature: Literal["require", "if-present"] = Field(
        "require", description="whether a liste blanche without a signature is refused"
    )
    signer: str = Field(
        "CN=alb.mssante.fr", description="attributes that the name of the list's signer must have"
    )
    fetch_minutes: int = Field(60, ge=1, le=10_080, description="minutes between two fetches of the list")
    alarm_hours: int = Field(
        48, ge=1, description="age of the list's generation from which /health and the log raise an alarm"
    )
    largest_loss_percent: int = Field(
        10, ge=0, le=100, description="a list that loses more of its domains at once is refused unless forced"
    )
    crl_urls: list[str] = Field(
        default_factory=lambda: ["http://igc-sante.esante.gouv.fr/CRL/ACI-EL-ORG.crl"],
        description="revocation lists (http://, https:// or file:///): one for each authority that issues",
    )
    crl_minutes: int = Field(60, ge=1, le=10_080, description="minutes between two fetches of the CRLs")
    crl_grace_days: int = Field(
        3, ge=0, le=30, description="days a revocation list still serves past its end; then peers are refused"
    )


class OutboundSettings(Section):
    untrusted: Literal["bounce", "retry"] = Field(
        "bounce",
        description="destination without TLS or with a wrong certificate: returned at once, or tried until it expires",
    )
    first_retry_seconds: int = Field(60, ge=1, description="wait after the first failed attempt; doubles")
    longest_retry_seconds: int = Field(3600, ge=1, description="longest wait between two attempts")
    warning_minutes: int = Field(
        60, ge=1, description="the sender is told of the delay once a message waits that long"
    )
    expiry_hours: int = Field(48, ge=1, description="a message that waits longer is returned to its sender")
    connections_per_domain: int = Field(4, ge=1, le=50, description="connections to one domain at once")
    connections: int = Field(100, ge=1, le=5000, description="connections to all domains at once")


class ImapSettings(Section):
    starttls: Listener = Field(
        "127.0.0.1:1143", description="IMAP with STARTTLS: host:port, empty: not served"
    )
    tls: Listener = Field(
        "127.0.0.1:1993", description="IMAP over implicit TLS: host:port, empty: not served"
    )
    sharing: bool = Field(
        default=True,
        description="whether professionals may open folders of their own mailbox to others of this operator (SETACL)",
    )


class LdapSettings(Section):
    starttls: Listener = Field(
        "127.0.0.1:1389", description="LDAP with StartTLS: host:port, empty: not served"
    )
    tls: Listener = Field(
        "127.0.0.1:1636", description="LDAP over implicit TLS: host:port, empty: not served"
    )
    anonymous: bool = Field(
        default=True, description="whether the directory may be searched by LDAP without signing in"
    )
    entries: int = Field(
        1000, ge=100, le=10_000, description="entries of one LDAP answer, or of one page of it"
    )
    search_seconds: int = Field(10, ge=1, le=120, description="longest LDAP search")


class LimitSettings(Section):
    message_bytes: int = Field(
        25 * 1024 * 1024,
        ge=65_536,
        le=200 * 1024 * 1024,
        description="largest message, all included (Mon espace santé: 25 MB)",
    )
    recipients: int = Field(
        1000, ge=100, le=10_000, description="recipients of one message (RFC 5321 §4.5.3.1.8: at least 100)"
    )
    connections: int = Field(2000, ge=10, description="connections to one listener")
    connections_per_address: int = Field(
        600, ge=2, description="connections of one network address to one listener"
    )
    connections_per_person: int = Field(
        100, ge=5, description="connections signed in to one mailbox by IMAP; a mail program opens about five"
    )
    messages_per_minute_per_peer: int = Field(
        30_000, ge=0, description="messages of one operator's certificate in a minute; 0: no limit"
    )
    messages_per_minute_per_bal: int = Field(
        600, ge=0, description="messages submitted by one box in a minute; 0: no limit"
    )
    message_memory_bytes: int = Field(
        100 * 1024 * 1024,
        ge=32 * 1024 * 1024,
        description="bytes of messages being received that are held in memory, all connections together; one address or one certificate: half",
    )


class QuotaSettings(Section):
    storage_bytes: int = Field(
        10 * 1024**3,
        ge=0,
        description="bytes a mailbox may hold that has no limit of its own (bal quota); 0: no limit",
    )
    messages: int = Field(
        0, ge=0, description="messages a mailbox may hold that has no limit of its own; 0: no limit"
    )


class AccountSettings(Section):
    mail_password: Literal["always", "without-totp", "never"] = Field(
        "without-totp",
        description="whether the password of a box opens mail (IMAP, submission, LDAP): always, only where its bearer has no second factor, or never (application passwords, Pro Santé Connect)",
    )
    scram: bool = Field(
        default=False,
        description="whether SCRAM-SHA-256 is offered: passwords set from then on are stored for it as well",
    )
    refused_passwords_file: str = Field(
        "",
        description="passwords nobody may choose, one a line, plain or SHA-1 in hexadecimal; empty: the built-in list alone",
    )
    application_password_days: int = Field(
        365, ge=1, le=3650, description="longest life of an application password"
    )
    client_certificates: bool = Field(
        default=True,
        description="whether mail clients are asked for a certificate of the trust chain (SASL EXTERNAL, APP boxes)",
    )
    token_refusal: Literal["challenge", "close"] = Field(
        "challenge",
        description="after a refused token: the JSON challenge, then 535 or NO (RFC 7628), or the connection ends behind the challenge",
    )
    operator_second_factor: Literal["required", "optional"] = Field(
        "required", description="whether who signs in to the operator pages must have a second factor"
    )


class PscSettings(Section):
    issuer: str = Field("", description="issuer of Pro Santé Connect; empty: not used")
    discovery: str = Field(
        "",
        description="address of its metadata; empty: the issuer's /.well-known/wallet-openid-configuration",
    )
    client_id: str = Field("", description="name of this operator at Pro Santé Connect")
    client_secret_file: Path = Field(
        Path("keys/psc.secret"), description="file of the client secret (mode 600)"
    )
    ca_file: Path = Field(
        Path("pki/ca.pem"),
        description="certificates of the authorities of its servers, PEM; those of the real one are public, not the IGC Santé",
    )
    authorized_parties: list[str] = Field(
        default_factory=list,
        description="clients whose access tokens open mail here (azp), beside this operator's own",
    )
    acr: list[str] = Field(
        default_factory=lambda: ["eidas1", "eidas2", "eidas3"],
        description="levels of authentication that suffice",
    )
    validation: Literal["jwks", "introspection"] = Field(
        "jwks",
        description="how an access token is verified: its signature by the published keys, or by asking the provider each time",
    )
    keys_hours: int = Field(
        24, ge=1, le=720, description="how long the keys known last serve when the provider cannot be reached"
    )
    mail_session: Literal["keep", "cut"] = Field(
        "keep",
        description="whether an IMAP session outlives the token that opened it: kept for mail_session_hours, or cut when the token ends",
    )
    mail_session_hours: int = Field(12, ge=1, le=168, description="longest life of a session a token opened")
    create_domain: str = Field(
        "",
        description="hosted domain in which the first sign-in of an unknown professional makes a box; empty: none is made",
    )


class SetupSettings(Section):
    imap_host: HostName = Field("", description="name by which mail clients reach IMAP; empty: hostname")
    imap_port: PublicPort = Field(
        0, description="port by which they reach IMAP with STARTTLS; 0: that of imap.starttls"
    )
    imaps_port: PublicPort = Field(
        0, description="port by which they reach IMAP over TLS; 0: that of imap.tls"
    )
    smtp_host: HostName = Field("", description="name by which mail clients submit mail; empty: hostname")
    submission_port: PublicPort = Field(
        0, description="port by which they submit with STARTTLS; 0: that of smtp.submission"
    )
    submissions_port: PublicPort = Field(
        0, description="port by which they submit over TLS; 0: that of smtp.submissions"
    )
    ldap_host: HostName = Field("", description="name by which address books reach LDAP; empty: hostname")
    ldap_port: PublicPort = Field(
        0, description="port by which they reach LDAP with StartTLS; 0: that of ldap.starttls"
    )
    ldaps_port: PublicPort = Field(
        0, description="port by which they reach LDAP over TLS; 0: that of ldap.tls"
    )
    web_host: HostName = Field("", description="name by which browsers reach the pages; empty: hostname")
    web_port: PublicPort = Field(0, description="port by which they reach the pages; 0: that of http")


class PatientSettings(Section):
    undeliverable: Literal["refuse", "report"] = Field(
        "refuse",
        description="unknown, closed or opposed patient: refuse at RCPT, or accept and send « Message non distribué »",
    )
    not_activated: Literal["wait", "refuse"] = Field(
        "wait", description="patient who never signed in: the message waits for the activation, or is refused"
    )


class BridgeSettings(Section):
    structured: Literal["file", "offer"] = Field(
        "file",
        description="structured documents mailed to a patient: filed at once when the record is open, or offered",
    )
    traits: Literal["refuse", "tell"] = Field(
        "refuse",
        description="structured document whose INS is the patient's and whose name, birth date or sex is not: refused (904), or filed and told",
    )
    timeout_seconds: int = Field(
        10, ge=1, le=600, description="longest reading of the attachments of one message"
    )
    memory_bytes: int = Field(
        1024**3, ge=256 * 1024**2, description="memory of the process that reads attachments"
    )
    unzipped_bytes: int = Field(
        200 * 1024 * 1024, ge=1024 * 1024, description="bytes that one archive may inflate to"
    )
    clamd: str = Field(
        "", pattern=r"^(unix:/.+|[^/\s]+:[0-9]{1,5})?$", description="clamd to ask: unix:/path or host:port"
    )


class RecordSettings(Section):
    structures: dict[str, str] = Field(
        default_factory=dict,
        description="distinguished name of an organisation's certificate = identifier of its structure (1 and the FINESS, 3 and the SIRET): whose software may ask for records",
    )
    persons_ca_file: Path = Field(
        Path(),
        description="certificates of the authorities of professionals' cards, PEM: who may ask for records with a card; empty: nobody",
    )
    repository_id: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)+$", max_length=64)] = Field(
        "1.2.250.1.999.213.2", description="repositoryUniqueId (OID) of the XDS repository served here"
    )
    vihf_minutes: int = Field(
        60, ge=1, le=1440, description="longest life of a VIHF assertion from its IssueInstant on"
    )
    vihf_audience: list[str] = Field(
        default_factory=lambda: ["urn:dmp"],
        description="what a VIHF assertion may name as its audience or resource",
    )
    vihf_again: Literal["same-certificate", "never"] = Field(
        "same-certificate",
        description="whether a VIHF assertion may be shown again while it holds: by the TLS certificate that showed it first, or never",
    )
    vihf_sha1: bool = Field(
        default=False,
        description="whether a VIHF assertion signed with SHA-1 is believed, as software of before 2020 signs",
    )
    professions_file: Path = Field(
        Path(),
        description="table of which profession may consult which type of document (CSV: profession,type_code,consultation), over the rows that are shipped; empty: those alone",
    )
    notice_smtp: Listener = Field(
        "",
        description="relay that takes the notices to patients' ordinary addresses: host:port; empty: none leave",
    )
    notice_sender: Annotated[str, Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$", max_length=254)] = Field(
        "ne-pas-repondre@localhost", description="address that these notices come from"
    )
    notice_folder: Path = Field(
        Path(), description="folder where they are left as .eml files where there is no relay; for a sandbox"
    )
    hl7_folder: dict[str, Path] = Field(
        default_factory=dict,
        description="mailbox APP that deposits = folder into which an HL7 MDM message is written for each of its documents",
    )
    hl7_mllp: dict[str, MllpAddress] = Field(
        default_factory=dict,
        description="mailbox APP that deposits = mllp://host:port (mllps: over TLS) of the hospital's system that is sent an HL7 MDM message for each of its documents, and whose acknowledgement the sender of the mail is told",
    )
    hl7_application: Annotated[str, Field(max_length=60)] = Field(
        "DPI", description="name of that system in the messages (MSH-5)"
    )
    hl7_ca_file: Path = Field(
        Path("pki/ca.pem"), description="certificates of the authorities of a system asked over TLS, PEM"
    )


class TrackingSettings(Section):
    days: int = Field(
        180, ge=1, le=3650, description="days for which a sender can see what became of a message (ECO.4.1.2)"
    )
    alert_hours: int = Field(
        24,
        ge=1,
        le=720,
        description="hours after which a message whose sender asked for a report or a receipt and had none is shown as an alert",
    )
    alert_mail: bool = Field(
        default=False, description="whether the sender is also told of such an alert by a mail"
    )


class LifecycleSettings(Section):
    inactive_days: int = Field(
        365,
        ge=0,
        le=3650,
        description="days without sign-in after which the bearer of a mailbox is warned (CNIL AU-037); 0: never",
    )
    notice_days: int = Field(
        30, ge=1, le=365, description="days between that warning and the suspension; signing in opposes it"
    )
    close_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="days after which a mailbox suspended for inactivity is closed for good; 0: the operator closes it",
    )


class ApiKey(Section):
    """Who may use the FHIR interface of the directory: `[[directory.api_keys]]`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    domains: list[HostName] = Field(default_factory=list)


class DirectorySettings(Section):
    sources: list[str] = Field(
        default_factory=list,
        description="where the extracts of the Annuaire Santé are fetched from: https://… (believed: the system's authorities and tls.ca_file) or file:///…; empty: only imported by hand",
    )
    fetch_hours: int = Field(24, ge=1, le=720, description="hours between two fetches of each source")
    largest_loss_percent: int = Field(
        10, ge=0, le=100, description="an extract that lacks more of the rows in use is refused unless forced"
    )
    alarm_days: int = Field(
        14, ge=0, le=3650, description="age of an extract from which /health raises an alarm; 0: none"
    )
    publish_url: HttpsUrl = Field(
        "",
        description="FHIR base of the national directory to which the mailboxes are published (https://…); empty: only in the directory served here",
    )
    publish_key_file: Path = Field(
        Path("keys/directory.key"), description="file of the API key for it (ESANTE-API-KEY), mode 600"
    )
    publish_ca_file: Path = Field(
        Path(), description="certificates of the authorities of its server, PEM; empty: those of the system"
    )
    page: Literal["everybody", "signed-in"] = Field(
        "signed-in", description="who may use the search page /annuaire"
    )
    fhir_access: Literal["keys", "reading", "everything"] = Field(
        "keys",
        description="what the FHIR interface does without an API key: nothing, reading, or (sandbox only) publishing boxes hosted here too",
    )
    api_keys: list[ApiKey] = Field(
        default_factory=list,
        description="keys of the FHIR interface (ESANTE-API-KEY): name, sha256 of the key in hexadecimal, and the domains whose boxes it may publish",
    )
