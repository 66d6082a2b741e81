"""The address that begins a stream, or its part of one company, and values within it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from shared.connectors.base import Watermark
from shared.connectors.dynamics.companies import Company
from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.dynamics.plans import Plan
from shared.connectors.dynamics.session import TRACK_CHANGES
from shared.connectors.dynamics.stream_config import DELTA_LINK
from shared.connectors.dynamics.values import Kind
from shared.connectors.watermarks import CursorValue, decode
from shared.domain.fault import Fault
from shared.errors import PermanentError

_UNQUOTED = "$,()'/:@*"


def first_url(
    config: DynamicsConfig, plan: Plan, company: Company | None, start: CursorValue | None
) -> str:
    """Return the address of the first page of what came since `start`, that included.

    All of a company is asked for that came to be since: what is in a copy of another is older.
    """
    since = None if company is not None and _is_new(company, start) else start
    stream = plan.stream
    options: dict[str, str | None] = {"$select": plan.select, "$filter": _filter(plan, since)}
    if stream.ordered and not stream.delta:
        names = [*([] if plan.cursor is None else [plan.cursor]), *plan.entity_key]
        options["$orderby"] = ",".join(dict.fromkeys(names))
    within = "" if company is None else f"companies({company.id})/"
    return f"{config.api_url}/{within}{stream.entity}{_query(options)}"


def preferences(page_size: int, *, tracks: bool = False) -> tuple[str, ...]:
    """Return what a request prefers; with `tracks` a link to the changes to come."""
    return (f"odata.maxpagesize={page_size}", *([TRACK_CHANGES] if tracks else []))


def newest_of(plan: Plan, watermark: Watermark | None) -> CursorValue | None:
    """Return the newest cursor value that was synced before.

    Another property's watermark says nothing about this one. Raises `PermanentError` if it is no
    value of the cursor's type.
    """
    if plan.cursor is None or watermark is None or watermark.cursor != plan.cursor:
        return None
    match plan.kinds[plan.cursor], decode(watermark):
        case Kind.INSTANT, datetime() as value:
            return value.replace(tzinfo=value.tzinfo or UTC)
        case Kind.INSTANT, date() as value:
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case Kind.DATE, datetime() as value:
            return value.date()
        case (Kind.DATE, date() as value) | (Kind.WHOLE, int() as value):
            return value
        case _:
            raise PermanentError(
                f"The watermark of {plan.stream.entity} is no value of its cursor: reset it to sync"
                " from the start.",
                fault=Fault.SETTINGS,
            )


def earlier(plan: Plan, value: CursorValue) -> CursorValue:
    """Return where to start so that what was posted late is found."""
    look_back = timedelta(seconds=plan.stream.look_back_seconds)
    try:
        if isinstance(value, datetime):
            return value - look_back
        if isinstance(value, date):
            return value - timedelta(days=-(-look_back // timedelta(days=1)))
    except OverflowError:
        pass
    return value


def stored_link(config: DynamicsConfig, url: str) -> str:
    """Return a delta link as a watermark has it: without the address of the service."""
    return url.removeprefix(f"{config.api_url}/")


def delta_url(config: DynamicsConfig, plan: Plan, watermark: Watermark | None) -> str | None:
    """Return the address of what changed since the last sync; None if all has to be read.

    So it is if more columns are selected now. Raises `PermanentError` for a watermark that is no
    link of this stream.
    """
    if watermark is None or watermark.cursor != DELTA_LINK:
        return None
    url = urljoin(f"{config.api_url}/", str(decode(watermark)))
    parts = urlsplit(url)
    if parts.path.rpartition("/")[-1] != plan.stream.entity or not parts.query:
        raise PermanentError(
            f"The watermark of {plan.stream.entity} is no delta link: reset it to sync from the"
            " start.",
            fault=Fault.SETTINGS,
        )
    selected = parse_qs(parts.query).get("$select")
    return url if selected is None or _has_all(selected[0], plan) else None


def _has_all(selected: str, plan: Plan) -> bool:
    """Tell whether a $select has every column that is wanted; a key needs no name there."""
    if plan.select is None:
        return False
    return set(plan.select.split(",")) <= {*selected.split(","), *plan.entity_key}


def _is_new(company: Company, start: CursorValue | None) -> bool:
    if company.created_at is None or not isinstance(start, date):
        return False
    if isinstance(start, datetime):
        return company.created_at >= start
    return company.created_at.date() >= start


def _filter(plan: Plan, since: CursorValue | None) -> str | None:
    own = plan.stream.filter
    if plan.cursor is None or since is None:
        return own
    newer = f"{plan.cursor} ge {_literal(since)}"
    return newer if own is None else f"({own}) and {newer}"


def _literal(value: CursorValue) -> str:
    """Return a value as $filter has it; an instant to the millisecond before."""
    if isinstance(value, datetime):
        unit = "milliseconds" if value.microsecond else "seconds"
        return value.astimezone(UTC).isoformat(timespec=unit).replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


def _query(options: Mapping[str, str | None]) -> str:
    # Spaces as %20: of +, OData says nothing.
    pairs = [
        f"{name}={quote(text, safe=_UNQUOTED)}"
        for name, text in options.items()
        if text is not None
    ]
    return f"?{'&'.join(pairs)}" if pairs else ""
