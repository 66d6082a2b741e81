"""dlt's paginators for each way of paging, strict where theirs would go on quietly or lose rows."""

from collections.abc import Callable
from typing import Any, assert_never

from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    SinglePagePaginator,
)
from requests import Response

from shared.connectors.api.paging_config import (
    CursorPages,
    LinkHeaderPages,
    NextUrlPages,
    NoPages,
    OffsetPages,
    PageNumberPages,
    Pagination,
)
from shared.connectors.api.stream_config import Place, StreamConfig
from shared.domain.fault import Fault
from shared.errors import PermanentError

Count = Callable[[Any], int]
"""Tells how many records an answer has, given its JSON."""


class _PageNumber(PageNumberPaginator):
    """Ends at an empty page, at the last one if the answer counts them, and perhaps a short one."""

    def __init__(self, count: Count, stop_below: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = count
        self._stop_below = stop_below

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        records = self._count(response.json())
        super().update_state(response, data if records else [])
        if records < self._stop_below:
            self._has_next_page = False

    def _handle_missing_total(self, response_json: Any) -> None:  # noqa: ARG002 (dlt's signature)
        raise _no_total()

    def _handle_invalid_total(self, total: Any) -> None:  # noqa: ARG002 (dlt's signature)
        raise _no_total()


class _Offset(OffsetPaginator):
    """Skips as many records as there were: a server may give fewer than it is asked for."""

    def __init__(self, count: Count, stop_below: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = count
        self._stop_below = stop_below

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        self.value_step = self._count(response.json())
        super().update_state(response, data if self.value_step else [])
        if self.value_step < self._stop_below:
            self._has_next_page = False

    def _handle_missing_total(self, response_json: Any) -> None:  # noqa: ARG002 (dlt's signature)
        raise _no_total()

    def _handle_invalid_total(self, total: Any) -> None:  # noqa: ARG002 (dlt's signature)
        raise _no_total()


class _NextUrl(JSONLinkPaginator):
    """Ends at an empty link, too, and takes nothing but a text for one."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        if not self._next_reference:
            self._next_reference = None
        elif type(self._next_reference) is not str:
            raise _no_mark("address of the next page")


class _Cursor(JSONResponseCursorPaginator):
    """Takes nothing but a text or a number for the mark of the next page."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        mark: Any = self._next_reference
        if mark is not None and not isinstance(mark, str):
            if isinstance(mark, bool) or not isinstance(mark, int):
                raise _no_mark("mark of the next page")
            self._next_reference = str(mark)


def paginator_of(
    paging: Pagination, stream: StreamConfig, count: Count, start: int | None
) -> BasePaginator:
    """Return the paginator of a stream, whose first number is `start` if it counts."""
    in_body = stream.parameters_in is Place.BODY
    match paging:
        case NoPages():
            return SinglePagePaginator()
        case LinkHeaderPages():
            return HeaderLinkPaginator(links_next_key=paging.relation)
        case NextUrlPages():
            return _NextUrl(next_url_path=paging.path)
        case CursorPages():
            return _Cursor(
                cursor_path=paging.path,
                cursor_param=None if in_body else paging.parameter,
                cursor_body_path=paging.parameter if in_body else None,
            )
        case PageNumberPages():
            return _PageNumber(
                count,
                paging.size or 0 if paging.stop_at_short_page else 0,
                base_page=paging.first,
                page=paging.first if start is None else start,
                page_param=None if in_body else paging.parameter,
                page_body_path=paging.parameter if in_body else None,
                total_path=paging.total_pages_path,
            )
        case OffsetPages():
            return _Offset(
                count,
                paging.limit if paging.stop_at_short_page else 0,
                limit=paging.limit,
                offset=start or 0,
                offset_param=None if in_body else paging.parameter,
                offset_body_path=paging.parameter if in_body else None,
                limit_param=None if in_body else paging.limit_parameter,
                limit_body_path=paging.limit_parameter if in_body else None,
                total_path=paging.total_path,
            )
        case _:
            assert_never(paging)


def number_of(paginator: BasePaginator) -> int | None:
    """Return the number that the next request asks for, None for a paginator that counts not."""
    counts = isinstance(paginator, PageNumberPaginator | OffsetPaginator)
    return paginator.current_value if counts else None


def _no_total() -> PermanentError:
    return PermanentError(
        "The source's answers have no whole number where pagination says that the total is:"
        " correct its path, or leave it out.",
        fault=Fault.SCHEMA,
    )


def _no_mark(what: str) -> PermanentError:
    return PermanentError(
        f"The source's answers have no text where pagination says that the {what} is: correct its"
        " path.",
        fault=Fault.SCHEMA,
    )
