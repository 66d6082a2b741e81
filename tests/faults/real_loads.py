"""How the database connector hurries in a fault test; each is patched in as a mutant is."""

from datetime import timedelta

from tests.faults.mutations import Patch

PAGE_ROWS = 10
"""No multiple of the number of siblings, so that pages end between two of them."""
_LOAD_WAIT = timedelta(milliseconds=500)


def load_soon(patch: Patch) -> None:
    """Let a load wait for its turn as briefly as the connector that keeps books."""
    from shared.connectors import runner  # noqa: PLC0415 (dlt is slow to import)

    defaults = {**runner.run_streams.__kwdefaults__, "load_wait": _LOAD_WAIT}
    patch(runner.run_streams, "__kwdefaults__", defaults)


def read_small_pages(patch: Patch) -> None:
    """Let a table of a few records have several pages."""
    from shared.connectors.database import pages  # noqa: PLC0415 (as above)

    patch(pages, "PAGE_ROWS", PAGE_ROWS)
