"""The national directory as searched: mailboxes, persons, roles and structures in immutable files, ours on top."""
