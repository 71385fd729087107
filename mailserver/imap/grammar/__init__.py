"""The grammar of IMAP4rev1 (RFC 3501 §9): bytes to frozen values and back; knows no connection and no store."""
