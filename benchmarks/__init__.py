"""Measures the service beside Debian's Postfix and Dovecot, on loopback, with the same programs for both."""
