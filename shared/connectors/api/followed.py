"""Follow the pages of one request, and notice when they lead in a circle."""

import json
from collections.abc import Generator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self, cast

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
from shared.connectors.json_http.answers import Record, is_object
from shared.connectors.json_http.session import JsonSession
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_MOST_REMEMBERED = 200
"""How many pages a slice tells the next one of, so that a circle shows over slices, too."""
_MOST_REPEATS = 2
"""So often a page may come again: rows that are inserted while they are paged move the others on,
by a whole page if there are enough of them, but hardly twice in a row."""

Memory = Mapping[str, Any]
"""What is known of the pages so far: JSON."""


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


@dataclass(slots=True)
class Trail:
    """The pages that were seen, so that one that comes again is told."""

    seen: dict[str, None] = field(default_factory=dict[str, None])
    last_keys: str = ""
    repeats: int = 0

    @classmethod
    def recall(cls, memory: Memory) -> Self:
        """Return the trail that an earlier slice left."""
        return cls(dict.fromkeys(memory["seen"]), memory["last_keys"], memory["repeats"])

    def arrive(self, stream: StreamConfig, ask: Ask, records: Sequence[Record]) -> None:
        """Take note of a page; raise `PermanentError` if the source gives it for ever."""
        self.seen[_digest([ask.url, ask.params, ask.body])] = None
        keys = [
            [record.get(name) for name in stream.primary_key]
            for record in records
            if is_object(record)
        ]
        digest = _digest(keys) if records else ""
        self.repeats = self.repeats + 1 if records and digest == self.last_keys else 0
        self.last_keys = digest
        if self.repeats >= _MOST_REPEATS:
            raise _stuck(stream, "gives the same page again and again")

    def leave(self, stream: StreamConfig, ask: Ask) -> None:
        """Raise `PermanentError` if the next page is one that was seen before."""
        if _digest([ask.url, ask.params, ask.body]) in self.seen:
            raise _stuck(stream, "names a page as its next that was read before")

    def forget(self) -> None:
        """Begin anew, at the first page."""
        self.seen, self.last_keys, self.repeats = {}, "", 0

    def memory(self) -> Memory:
        """Return what the next slice has to know."""
        return {
            "seen": list(self.seen)[-_MOST_REMEMBERED:],
            "last_keys": self.last_keys,
            "repeats": self.repeats,
        }


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
        trail.arrive(stream, asked, records)
        place = None
        if page.paginator.has_next_page:
            place = PagePlace(_ask_of(page.request, config), number_of(page.paginator))
            trail.leave(stream, place.ask)
            asked = place.ask
        yield Page(records, place)


def _ask_of(request: Request, config: ApiConfig) -> Ask:
    """Return the request that dlt has prepared for the next page, without the API's key."""
    request.url = without_key(str(request.url), config)
    params, body = cast("Any", request.params), cast("Any", request.json)
    # Through JSON, as the next slice will be given it; what dlt changes later is its own copy.
    copied = json.loads(json.dumps([params or {}, body], default=str))
    return Ask(request.url, copied[0], copied[1])


def _digest(value: object) -> str:
    return sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]


def _stuck(stream: StreamConfig, what: str) -> PermanentError:
    return PermanentError(
        f"{stream.name} does not come to an end: its source {what}. Check the stream's pagination.",
        code=Reason.CURSOR_STUCK,
        fault=Fault.SCHEMA,
    )
