"""`vaguemestre check-peers`: plays the audit matrix of the espace de confiance against an operator, in both directions."""
