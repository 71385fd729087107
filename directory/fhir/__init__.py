"""The directory over FHIR R4, as the Annuaire Santé specifies its API: reading, and publishing mailboxes by PATCH."""
