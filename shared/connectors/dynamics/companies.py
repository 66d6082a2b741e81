"""The companies of a Business Central environment, of each of which a stream has a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.connectors.dynamics.service_config import BusinessCentral
from shared.connectors.dynamics.session import ODataSession
from shared.connectors.dynamics.values import Kind, landed
from shared.connectors.json_http.trail import Trail
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Company:
    """A company; `created_at` is None if the service does not say."""

    id: str
    name: str
    created_at: datetime | None


def list_companies(session: ODataSession) -> Sequence[Company]:
    """Return the companies that are to be read, in the order of their ids.

    None for a service that has no companies. Raises `PermanentError` if one that the settings name
    is not among those that the application may see, or there is none, and as `ODataSession.page`.
    """
    service = session.config.service
    if not isinstance(service, BusinessCentral):
        return ()
    trail = Trail("companies", ["id"], "Ask who runs the service.")
    found: list[Company] = []
    url: str | None = f"{session.config.api_url}/companies"
    while url is not None:
        page = session.page(url)
        trail.arrive(url, page.records)
        found += map(_company, page.records)
        url = page.next
        if len(found) > _MOST:
            raise _misfit(f"lists more than {_MOST:,} companies")
        if url is not None:
            trail.leave(url)
    return sorted(_wanted(service.companies, found), key=lambda company: company.id)


def _company(record: Any) -> Company:
    try:
        created_at = record.get("systemCreatedAt")
        return Company(
            # It becomes a part of addresses.
            str(UUID(record["id"])),
            str(record.get("name") or ""),
            None if created_at is None else landed(Kind.INSTANT, created_at),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _misfit("lists a company without an id") from error


def _misfit(what: str) -> PermanentError:
    return PermanentError(
        f"The source {what}: check the connector's address.",
        code=Reason.CONFIGURATION,
        fault=Fault.SCHEMA,
    )


def _wanted(names: Sequence[str] | None, companies: Sequence[Company]) -> Sequence[Company]:
    if not companies:
        raise PermanentError(
            "The application sees no company: give it permissions in Business Central.",
            code=Reason.AUTHORIZATION,
            fault=Fault.PERMISSION,
        )
    if names is None:
        return companies
    by_name = {company.name.casefold(): company for company in companies}
    by_id = {company.id: company for company in companies}
    chosen: dict[str, Company] = {}
    for name in names:
        company = by_id.get(name.lower()) or by_name.get(name.casefold())
        if company is None:
            raise PermanentError(
                f"There is no company {name[:80]}, or the application does not see it: correct"
                " companies, or give the application permissions in Business Central.",
                code=Reason.CONFIGURATION,
                fault=Fault.NOT_FOUND,
            )
        chosen[company.id] = company
    return list(chosen.values())
