"""The session of a Dynamics connector: OData over HTTP, and what the service's refusals mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urljoin

import requests

from shared.clock import utc_now
from shared.connectors.base import SourceAccess
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.metadata import EntitySet, read_metadata
from shared.connectors.json_http.answers import Record, read_json
from shared.connectors.json_http.session import LIMITS, JsonSession, login
from shared.domain.fault import Fault
from shared.domain.retry_after import parse_http_date
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError, TransientError

_LIMITS = replace(LIMITS, silence=timedelta(minutes=3))
"""Of a large ledger it takes a while to find the first page in the order of its changes."""
_XML = "application/xml"
_CODE = re.compile(r"[A-Za-z0-9_]{1,60}")
_GONE = 410
_EXPIRED = "0x80044352"
"""What Dataverse calls a delta link that is too old, or of a table that changed since."""
_NO_COMPANY = "Internal_CompanyNotFound"
_NEXT, _DELTA = "@odata.nextLink", "@odata.deltaLink"
_LONGEST_LINK = 16_384


TRACK_CHANGES = "odata.track-changes"
"""What a request prefers that wants a link to the changes to come."""


class ExpiredLinkError(PermanentError):
    """A delta link that the service takes no more: what it is of has to be read anew."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its records, and where the next page and the next changes are, absolute.

    `is_tracked` tells that the last page will have a link to changes.
    """

    records: list[Record]
    next: str | None = None
    delta: str | None = None
    is_tracked: bool = False


class ODataSession(JsonSession):
    """A session of one service, logged in. `server_time` is the service's own, of an answer."""

    def __init__(self, access: SourceAccess) -> None:
        config = cast("DynamicsConfig", access.config)
        super().__init__(
            access,
            config.api_url,
            login(access, config.auth),
            headers={"OData-MaxVersion": "4.0", "OData-Version": "4.0"},
            per_second=config.requests_per_second,
            limits=_LIMITS,
        )
        self.config = config
        self.server_time: datetime | None = None
        self._sets: Mapping[str, EntitySet] | None = None

    def entity_sets(self) -> Mapping[str, EntitySet]:
        """Return what the service has, by name, asked for once; raises as `page`."""
        if self._sets is None:
            address = f"{self.config.api_url}/$metadata"
            document = self.get(address, headers={"Accept": _XML}).content
            self._sets = read_metadata(document)
        return self._sets

    def page(self, url: str, *, preferences: tuple[str, ...] = ()) -> Page:
        """Return one page of records.

        Raises what requests does, `ExpiredLinkError`, `TransientError` and `PermanentError`.
        """
        headers = {"Prefer": ",".join(preferences)} if preferences else None
        response = self.get(url, headers=headers)
        body = response.json()
        records = body.get("value") if isinstance(body, dict) else None
        if not isinstance(records, list):
            raise PermanentError(
                "The source answers with no list of records, as OData has it: check the connector's"
                " address.",
                code=Reason.CONFIGURATION,
                fault=Fault.SCHEMA,
            )
        following = _link(body, _NEXT, response.url)
        delta = _link(body, _DELTA, response.url)
        applied = TRACK_CHANGES in response.headers.get("preference-applied", "")
        return Page(records, following, delta, is_tracked=applied or delta is not None)

    def read(self, response: requests.Response) -> None:
        """Read the JSON of a response, unless it was asked for XML."""
        sent_at = parse_http_date(response.headers.get("date", ""), utc_now())
        self.server_time = self.server_time or sent_at
        if response.request.headers.get("Accept") != _XML:
            super().read(response)

    def failure_of(self, response: requests.Response) -> SynclineError:
        """Return what a refusal means, with the service's code for it, and none of its text."""
        failure = super().failure_of(response)
        code = _error_code(response)
        told = str(failure) if code is None else f"{failure} The service calls it {code}."
        fault = getattr(failure, "fault", None)
        if response.status_code == _GONE or (code or "").lower() == _EXPIRED:
            return ExpiredLinkError(told, code=Reason.CONFIGURATION, fault=Fault.NOT_FOUND)
        if isinstance(failure, TransientError):
            return TransientError(
                told, code=failure.code, fault=failure.fault, retry_after=failure.retry_after
            )
        if code == _NO_COMPANY:
            fault = Fault.NOT_FOUND
        return PermanentError(told, code=failure.code, fault=fault)


def _error_code(response: requests.Response) -> str | None:
    """Return the code of an error as OData has it, if it looks like one."""
    try:
        body = read_json(response.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _link(body: Mapping[str, Any], name: str, base: str) -> str | None:
    link = body.get(name)
    if link is None or link == "":
        return None
    if not isinstance(link, str) or len(link) > _LONGEST_LINK:
        raise PermanentError(
            "The source gives a link that is no address: check the connector's address.",
            code=Reason.CONFIGURATION,
            fault=Fault.SCHEMA,
        )
    return urljoin(base, link)
