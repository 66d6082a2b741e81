"""What a service of Dynamics 365 has to offer, and whether it can be read: without dlt."""

from collections.abc import Sequence
from functools import partial
from typing import cast

from shared.connectors.access_failures import access_failure
from shared.connectors.base import (
    Offer,
    SourceAccess,
    SourceColumn,
    SourceStream,
    StreamFailure,
)
from shared.connectors.dynamics.companies import Company, list_companies
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.metadata import EntitySet
from shared.connectors.dynamics.plans import COMPANY_ID, not_tracked, plan_stream
from shared.connectors.dynamics.queries import first_url, preferences
from shared.connectors.dynamics.service_config import CURSORS
from shared.connectors.dynamics.session import ODataSession
from shared.connectors.dynamics.stream_config import StreamConfig
from shared.connectors.dynamics.values import CURSOR_KINDS, NOT_IN_RECORDS, Kind, kind_of
from shared.connectors.json_http.looks import is_of_the_connector
from shared.connectors.looking import failures_of, offer_within

_COMPANIES = "companies"
"""What the streams of Business Central are parts of, and none itself."""


def check(access: SourceAccess) -> Sequence[StreamFailure]:
    """Log in, and ask for one record of each stream; return the streams that cannot be read.

    Raises `TransientError` or `PermanentError` if none could be read, since the service cannot be
    reached or lets us not in.
    """
    config = cast("DynamicsConfig", access.config)
    try:
        with access.lines.watched(), ODataSession(access) as session:
            session.entity_sets()
            company = next(iter(list_companies(session)), None)
            looks = (
                (one.entity, partial(_look_at, session, one, company)) for one in config.streams
            )
            return failures_of(access, looks, is_of_the_connector)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None


def offered_streams(access: SourceAccess) -> Offer:
    """Return the entity sets of the service that have a key.

    Raises `TransientError` or `PermanentError`.
    """
    try:
        with access.lines.watched(), ODataSession(access) as session:
            product = session.config.service.product
            names = session.entity_sets()
            others = {_COMPANIES} if product == "business_central" else set[str]()
            sets = [names[name] for name in sorted(set(names) - others)]
            return offer_within(access, (_offered(found, product) for found in sets if found.key))
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        raise access_failure(error) from None


def _look_at(session: ODataSession, stream: StreamConfig, company: Company | None) -> None:
    plan = plan_stream(session, stream)
    url = first_url(session.config, plan, company, None)
    page = session.page(url, preferences=preferences(1, tracks=stream.delta))
    if stream.delta and not page.is_tracked:
        raise not_tracked(plan)
    for record in page.records:
        plan.landed(record, None)


def _offered(found: EntitySet, product: str) -> SourceStream:
    columns = [one for one in found.properties.values() if one.type != NOT_IN_RECORDS]
    usual = CURSORS[product]
    growing = [one.name for one in columns if kind_of(one.type) in CURSOR_KINDS]
    times = [name for name in growing if kind_of(found.properties[name].type) is Kind.INSTANT]
    cursors = sorted(times, key=lambda name: (name != usual, "odif" not in name, name))
    settings: dict[str, object] = {"entity": found.name}
    if not cursors or "odif" not in cursors[0]:
        settings["sync_mode"] = "full_refresh"
    elif cursors[0] != usual:
        settings["cursor"] = cursors[0]
    is_central = product == "business_central"
    return SourceStream(
        name=found.name,
        kind="entity_set",
        primary_key=(COMPANY_ID, *found.key) if is_central else found.key,
        cursors=tuple(cursors),
        columns=tuple(SourceColumn(one.name, one.type, one.is_nullable) for one in columns),
        settings=settings,
    )
