"""The record over FHIR R4: PDSm (IHE MHD 4.2) and the transactions of the DMP told in it, over the one desk."""
