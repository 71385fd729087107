"""Pro Santé Connect of the sandbox: an identity provider for fictive professionals. A real operator never serves it."""
