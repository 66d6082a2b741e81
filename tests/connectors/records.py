"""A connector whose streams are lists of records, moved by the runner as those of any type."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from pydantic import BaseModel

from shared.connectors.base import ConfirmLease, Position, SyncRequest, SyncResult
from tests.connectors.databases import DATASET, Postgres, hold_lease

if TYPE_CHECKING:
    from shared.connectors.slices import StreamTime
    from shared.connectors.streams import Stream

STREAM = "orders"


class _NoSettings(BaseModel):
    """Settings of a connector that has none."""


@dataclass(slots=True)
class Records:
    """One stream, `id` its key: pages of records are loaded as a slice, or as the whole of one."""

    dataset: Postgres
    key: tuple[str, ...] = ("id",)
    is_whole: bool = False
    stream: str = STREAM
    dataset_url: str | None = None
    connector_id: UUID = field(default_factory=uuid4)
    positions: dict[str, Position] = field(default_factory=dict[str, Position])
    run_id: UUID = field(default_factory=uuid4)
    fence: int = 0

    def load(
        self,
        *records: object,
        pages: Sequence[Sequence[object]] = (),
        confirm_lease: ConfirmLease = hold_lease,
        has_more: bool = False,
        error: Exception | None = None,
    ) -> SyncResult:
        """Load a slice: records as one page, or pages; the run goes on if there is more.

        An error is met behind the last page.
        """
        from shared.connectors.runner import run_streams  # noqa: PLC0415 (dlt is slow to import)

        self.fence += 1
        content = pages or ([records] if records else [])

        def opened(time: "StreamTime") -> "Stream":
            return self._stream(time, content, has_more=has_more, error=error)

        result = run_streams(self.request(), {self.stream: opened}, confirm_lease)
        if has_more or error is not None:
            self.positions = dict(result.positions or {})
        else:
            self.begin()
        return result

    def request(self) -> SyncRequest:
        """Return the next slice as a connector type sees it."""
        return SyncRequest(
            run_id=self.run_id,
            connector_id=self.connector_id,
            config=_NoSettings(),  # pyright: ignore[reportArgumentType] (nobody asks it for streams)
            watermarks={},
            dataset_url=self.dataset_url or self.dataset.dsn,
            fence=self.fence,
            dataset_name=DATASET,
            positions=dict(self.positions),
        )

    def begin(self) -> None:
        """Let the next slice be the first of another run."""
        self.positions, self.run_id = {}, uuid4()

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        return self.dataset.rows(f"SELECT {columns} FROM {DATASET}.{STREAM} ORDER BY 1")

    def rejects(self, columns: str) -> list[tuple[Any, ...]]:
        if not self.dataset.has_table(f"{DATASET}.syncline_rejects"):
            return []
        return self.dataset.rows(f"SELECT {columns} FROM {DATASET}.syncline_rejects ORDER BY 1")

    def _stream(
        self,
        time: "StreamTime",
        content: Sequence[Sequence[object]],
        *,
        has_more: bool,
        error: Exception | None,
    ) -> "Stream":
        from shared.connectors.progress import StreamProgress  # noqa: PLC0415 (as above)
        from shared.connectors.streams import Stream, Whole  # noqa: PLC0415 (as above)

        progress = StreamProgress(self.stream, None, time, ordered=False)
        place = len(self.positions) and int(str(self.positions[self.stream]["slice"]))

        position: Mapping[str, object] = {"slice": place + 1}

        def pages() -> Iterator[list[Any]]:
            for page in content:
                progress.observe(page)  # pyright: ignore[reportArgumentType] (no objects either)
                progress.can_go_on(position)
                yield list(page)
            if error is not None:
                raise error
            if has_more:
                progress.stop(position)
            else:
                progress.finish(position)

        whole = None
        if self.is_whole:
            whole = Whole.GOES_ON if place else Whole.BEGINS
        return Stream(pages(), self.key, progress, whole=whole)
