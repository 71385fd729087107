"""Pro Santé Connect (OpenID Connect) as a relying party and a mail server see it."""
