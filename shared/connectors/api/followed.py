"""Follow the pages of one request, and notice when they lead in a circle."""

import json
from collections.abc import Generator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from dlt.common.configuration.specs.runtime_configuration import RuntimeConfiguration
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.typing import HTTPMethodBasic
from requests import Request

from shared.connectors.api.asks import Ask
from shared.connectors.api.config import ApiConfig
from shared.connectors.api.paginators import number_of, paginator_of
from shared.connectors.api.record_paths import records_of
from shared.connectors.api.session import without_key
from shared.connectors.api.stream_config import StreamConfig
from shared.connectors.json_http.answers import Record
from shared.connectors.json_http.session import JsonSession
from shared.connectors.json_http.trail import Trail

_ADVICE = "Check the stream's pagination."


@dataclass(frozen=True, slots=True)
class PagePlace:
    """The request for one page; `number` is that of a paginator that counts."""

    ask: Ask
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The records of one page, and where the next one is; None if it was the last."""

    records: list[Record]
    next: PagePlace | None


def trail_of(stream: StreamConfig) -> Trail:
    """Return the trail of a stream that begins."""
    return Trail(stream.name, stream.primary_key, _ADVICE)


def follow(
    session: JsonSession, config: ApiConfig, stream: StreamConfig, start: PagePlace, trail: Trail
) -> Generator[Page]:
    """Yield the pages of a stream from a place on; the next is asked for when it is wanted.

    Raises what requests does, `TransientError` and `PermanentError`.
    """

    def count(body: Any) -> int:
        return len(records_of(stream, body))

    client = RESTClient("", session=session, config=RuntimeConfiguration())
    pages = client.paginate(
        start.ask.url,
        method=cast("HTTPMethodBasic", start.ask.method),
        params=dict(start.ask.params),
        json=deepcopy(start.ask.body),
        paginator=paginator_of(config.paging_of(stream), stream, count, start.number),
        data_selector=stream.record_path or "$",
        hooks={"response": []},  # the session has judged the status
    )
    asked = start.ask
    for page in pages:
        records = records_of(stream, page.response.json())
        trail.arrive(asked.parts, records)
        place = None
        if page.paginator.has_next_page:
            place = PagePlace(_ask_of(page.request, config), number_of(page.paginator))
            trail.leave(place.ask.parts)
            asked = place.ask
        yield Page(records, place)


def _ask_of(request: Request, config: ApiConfig) -> Ask:
    """Return the request that dlt has prepared for the next page, without the API's key."""
    request.url = without_key(str(request.url), config)
    params, body = cast("Any", request.params), cast("Any", request.json)
    # Through JSON, as the next slice will be given it; what dlt changes later is its own copy.
    copied = json.loads(json.dumps([params or {}, body], default=str))
    return Ask(request.url, copied[0], copied[1])
