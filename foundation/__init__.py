"""The ground floor: identifiers, settings, database, vault, jobs, events, trail, and the reading of mail."""
