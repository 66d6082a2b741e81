"""Exports: texts that are streamed page by page, and end with a line that says they are whole."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from shared.logs import class_and_place, log_event
from shared.store.rows import Row
from shared.web.origin import request_id

Pages = Iterable[Sequence[Row]]

_log = logging.getLogger(__name__)


class CutOffError(Exception):
    """An export ended before its last line: the server cuts the connection, and the client knows.

    It has nothing of what ended it, since servers write what they are given into their logs.
    """


def streamed(pages: Pages, write: Callable[[Pages], Iterator[str]]) -> Iterator[str]:
    """Return the text of an export, piece by piece, as `write` makes it of its pages.

    The first page is read at once, so that what is in its way is still answered as a problem.
    """
    rest = iter(pages)
    first = tuple(islice(rest, 1))
    return _told_if_cut_off(write(chain(first, rest)), request_id())


def _told_if_cut_off(text: Iterator[str], asked_as: str) -> Iterator[str]:
    try:
        yield from text
    except Exception as error:  # noqa: BLE001 (whatever it is, nothing of it goes further)
        log_event(
            _log,
            logging.ERROR,
            "export_cut_off",
            "An export ended before its last line",
            error_class=class_and_place(error),
            request_id=asked_as,
        )
        raise CutOffError("An export ended before its last line; it is logged.") from None
