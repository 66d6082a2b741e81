"""The turn to write a connector's dataset: one row of a table, which every write changes.

BigQuery has no locks. Who takes the turn writes its lease into the row, and confirms the lease
after that. A transaction begins by changing the row on condition that the lease in it is its own,
so that of two at once BigQuery cancels one, and of two in turn the one whose lease is not there any
more does nothing. A job outlives its worker, but not the turn.
"""

from dataclasses import dataclass
from uuid import UUID

from google.cloud.bigquery import TableReference

from shared.connectors.bigquery.failures import TURN_LOST
from shared.connectors.bigquery.jobs import Parameters
from shared.connectors.bigquery.tables import Place, sql_name

TURN_TABLE = "syncline_turn"

_MAKE = """
CREATE TABLE IF NOT EXISTS {turn} AS
SELECT '' AS run_id, 0 AS fence, CURRENT_TIMESTAMP() AS taken_at, 0 AS writes
"""
_TAKE = """
UPDATE {turn}
SET run_id = @run_id, fence = @fence, taken_at = CURRENT_TIMESTAMP()
WHERE run_id != @run_id OR fence <= @fence
"""
# Whatever the transaction does stands behind this.
_HOLD = """
UPDATE {turn} SET writes = writes + 1 WHERE run_id = '{run_id}' AND fence = {fence};
IF @@row_count != 1 THEN RAISE USING MESSAGE = '{lost}'; END IF;
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn of a lease: a run, and the fence of its lease, which only grows within the run."""

    place: Place
    run_id: UUID
    fence: int

    @property
    def name(self) -> str:
        """Return what jobs and staging tables of this lease are named after."""
        return f"{self.run_id.hex}_{self.fence}"

    @property
    def table(self) -> TableReference:
        """Return the table of the turn."""
        return self.place.beside(TURN_TABLE)

    def make(self) -> str:
        """Return the statement that makes the row once, whoever else does the same."""
        return _MAKE.format(turn=sql_name(self.table))

    def take(self) -> tuple[str, Parameters]:
        """Return the statement that takes the turn, unless a later lease of the run has it."""
        parameters = {"run_id": ("STRING", str(self.run_id)), "fence": ("INT64", self.fence)}
        return _TAKE.format(turn=sql_name(self.table)), parameters

    def hold(self) -> str:
        """Return the statements that a transaction begins with: they end it without the turn."""
        return _HOLD.format(
            turn=sql_name(self.table), run_id=self.run_id, fence=self.fence, lost=TURN_LOST
        )
