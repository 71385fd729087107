"""What every FHIR R4 interface of the house does alike: bodies, answers, outcomes, values of searches, page tokens."""
