"""What is read over FHIR: searches page by page, single documents, and the bytes behind them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from dmp_bridge import record
from dmp_bridge.dossier.forms import Denied, DocumentQuery
from dmp_bridge.dossier.traces import TraceQuery
from dmp_bridge.entry import Identifier
from dmp_bridge.fhir.audit_events import audit_event
from dmp_bridge.fhir.bundles import searchset
from dmp_bridge.fhir.document_query import document_query
from dmp_bridge.fhir.document_references import document_reference
from dmp_bridge.fhir.lists import submission_list
from dmp_bridge.fhir.patients import patient_resource
from dmp_bridge.fhir.query import parse
from dmp_bridge.rights.vocabulary import Reason
from foundation.fhir.outcome import Refused
from foundation.fhir.paging import NEXT_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dmp_bridge.dossier.caller import Caller
    from dmp_bridge.dossier.forms import Content
    from dmp_bridge.fhir.place import Place
    from dmp_bridge.fhir.query import Search
    from dmp_bridge.record import Document
    from foundation.fhir.resources import Resource
