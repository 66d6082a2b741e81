"""Trouble with the source of the connector that keeps books; each is patched in as a mutant is."""

from contextlib import closing
from datetime import timedelta

from shared.connectors.base import SyncRequest
from shared.errors import TransientError
from tests.faults import ledger_connector
from tests.faults.ledger_connector import Page, Place
from tests.faults.mutations import Patch
from tests.faults.world import open_world

PAUSE = timedelta(milliseconds=1_500)
"""Much longer than the wait after a first attempt."""

_NOTE_PAUSE = """
INSERT INTO fault_source.pause (connector, until) VALUES (%s, clock_timestamp() + %s)
"""


def ask_for_a_pause(patch: Patch) -> None:
    """Let a source answer nothing but that it wants to be left alone, and note until when."""

    def refuse(request: SyncRequest) -> tuple[Place, list[Page], bool]:
        with closing(open_world(request.dataset_url)) as connection, connection.cursor() as cursor:
            cursor.execute(_NOTE_PAUSE, (str(request.connector_id), PAUSE))
        raise TransientError("Too many requests.", code="rate_limited", retry_after=PAUSE)

    patch(ledger_connector, "_read", refuse)


def stand_still(patch: Patch) -> None:
    """Let a source say for ever that there is more, and give nothing."""

    def read_nothing(_request: SyncRequest) -> tuple[Place, list[Page], bool]:
        return Place(until=0, changed=0), [], True

    patch(ledger_connector, "_read", read_nothing)
