"""The directory by LDAPv3 (RFC 4510): read-only, over StartTLS and LDAPS, with the names installed software knows."""
