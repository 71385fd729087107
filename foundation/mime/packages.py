"""By what a mail with an IHE_XDM archive is known before anything of it is opened (Réf#2 ECO.2.1.1, ECO.2.1.3)."""

from __future__ import annotations

PACKAGE_SUBJECT = "XDM/1.0/DDM"
"""How the subject of such a mail begins."""


# ref: ECO.2.1.1
def is_package_name(filename: str) -> bool:
    """Whether a file is called as such an archive is: `IHE_XDM.zip`, in any case, numbered or dated."""
    name = filename.strip().lower().replace("\\", "/").rpartition("/")[2]
    return name.startswith("ihe_xdm") and name.endswith(".zip")
