"""The functional matrix as the tests know it: written from the published table, not from the product's own."""

from __future__ import annotations

from dmp_bridge.rights.functional import Column
from dmp_bridge.rights.vocabulary import Action

COLUMNS = (
    Column.PROFESSIONAL_NORMAL,
    Column.PROFESSIONAL_CENTRE_15,
    Column.PROFESSIONAL_BRIS_DE_GLACE,
    Column.DOCTOR_NORMAL,
    Column.DOCTOR_CENTRE_15,
    Column.DOCTOR_BRIS_DE_GLACE,
    Column.OCCUPATIONAL_DOCTOR,
    Column.ATTENDING_NORMAL,
    Column.ATTENDING_BRIS_DE_GLACE,
    Column.EMPLOYEE,
    Column.STRUCTURE_NORMAL,
    Column.STRUCTURE_CENTRE_15,
)

PUBLISHED: tuple[tuple[Action, str, tuple[str, ...]], ...] = (
    (
        Action.AUTHENTICATE,
        "TD0.1",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui"),
    ),
    (
        Action.TEST_EXISTENCE,
        "TD0.2",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui"),
    ),
    (
        Action.DECLARE_AUTHORISED,
        "TD0.3",
        ("oui", "non", "non", "oui", "non", "non", "non", "oui", "non", "oui(1)", "non", "non"),
    ),
    (
        Action.WITHDRAW_AUTHORISATION,
        "TD0.3",
        ("oui", "non", "non", "oui", "non", "non", "non", "oui", "non", "non", "non", "non"),
    ),
    (
        Action.CEASE_AS_ATTENDING,
        "TD0.3",
        ("non", "non", "non", "non", "non", "non", "non", "oui", "non", "non", "non", "non"),
    ),
    (
        Action.LIST_AUTHORISED_RECORDS,
        "TD0.4",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui(2)", "oui(3)", "non"),
    ),
    (
        Action.FIND_WITHOUT_INS,
        "TD0.5",
        ("non", "oui", "non", "non", "oui", "non", "non", "non", "non", "non", "non", "oui"),
    ),
    (
        Action.WEB_ACCESS,
        "TD0.9",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "non", "non"),
    ),
    (
        Action.READ_ADMINISTRATIVE,
        "TD1.3a",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui"),
    ),
    (
        Action.LIST_PROFESSIONALS,
        "TD1.6",
        ("oui", "non", "non", "oui", "non", "non", "oui", "oui", "non", "non", "non", "non"),
    ),
    (
        Action.FEED,
        "TD2.1",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "non", "oui(4)", "oui(4)"),
    ),
    (
        Action.FEED_AS_EMPLOYEE,
        "TD2.2",
        ("non", "non", "non", "non", "non", "non", "non", "non", "non", "oui(4)", "non", "non"),
    ),
    (
        Action.SEARCH,
        "TD3.1",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.FIND_REFERENCE,
        "TD3.1",
        ("oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui", "oui(5)", "oui(5)", "oui(5)"),
    ),
    (
        Action.READ,
        "TD3.2",
        ("oui", "oui", "oui", "oui", "oui", "oui", "non", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.READ_MASKED,
        "TD3.2",
        (
            "oui(6)",
            "oui(7)",
            "oui(7)",
            "oui(6)",
            "oui(7)",
            "oui(7)",
            "non",
            "oui",
            "oui(7)",
            "non",
            "non",
            "non",
        ),
    ),
    (
        Action.READ_UNSEEN_BY_PATIENT,
        "TD3.2",
        ("oui", "oui", "oui", "oui", "oui", "oui", "non", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.READ_ARCHIVED,
        "TD3.2",
        ("oui", "oui", "oui", "oui", "oui", "oui", "non", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.READ_FORMER,
        "TD3.2",
        ("oui", "oui", "oui", "oui", "oui", "oui", "non", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.READ_DELETED,
        "TD3.2",
        ("oui", "oui", "oui", "oui", "oui", "oui", "non", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.MASK,
        "TD3.3a",
        ("oui", "non", "non", "oui", "non", "non", "oui", "oui", "non", "non", "non", "non"),
    ),
    (
        Action.UNMASK,
        "TD3.3a",
        ("oui(8)", "non", "non", "oui(8)", "non", "non", "oui(8)", "oui", "non", "non", "non", "non"),
    ),
    (
        Action.SHOW_TO_PATIENT,
        "TD3.3b",
        ("oui", "non", "non", "oui", "non", "non", "oui", "oui", "non", "non", "non", "non"),
    ),
    (
        Action.ARCHIVE,
        "TD3.3d",
        ("oui(8)", "non", "non", "oui(8)", "oui", "oui", "oui(8)", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.UNARCHIVE,
        "TD3.3d",
        ("oui(8)", "non", "non", "oui(8)", "oui", "oui", "oui(8)", "oui", "oui", "non", "non", "non"),
    ),
    (
        Action.DELETE,
        "TD3.3c",
        (
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(8)",
            "oui(9)",
            "oui(9)",
            "oui(9)",
        ),
    ),
)
