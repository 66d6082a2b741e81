"""However many files there are, a slice plans the oldest and keeps no more of them."""

import gc
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Self

import pytest

from shared.connectors.cloud_storage import listing
from shared.connectors.cloud_storage.listing import MOST_FILES, list_files, order_of
from shared.connectors.cloud_storage.marks import Mark, name_of
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.cloud_storage.stream_config import StreamConfig
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import NOON, stream_config

ALL = StreamConfig.model_validate(stream_config(files=["in/**/*.csv"], exclude=["**/skip/**"]))


class _Large:
    """A store that names so many files, newest first, and holds none."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.prefixes: list[str] = []
        self.alive = 0
        """How many files somebody held when the last page was named."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def pages(self, prefix: str) -> Iterator[Sequence[StoredFile]]:
        self.prefixes.append(prefix)
        for start in range(0, self.count, 1_000):
            yield [self.file(number) for number in range(start, min(start + 1_000, self.count))]
        self.alive = sum(type(one) is StoredFile for one in gc.get_objects())

    def file(self, number: int) -> StoredFile:
        at = NOON + timedelta(seconds=(self.count - number) // 3)
        return StoredFile(f"in/{number:07}.csv", at, 10, "v")

    def read(self, file: StoredFile, start: int, count: int) -> bytes:
        raise NotImplementedError


def test_the_oldest_of_many_files_are_planned_and_the_rest_is_left() -> None:
    store = _Large(100_000)
    found = list_files(store, ALL, None, None)
    assert (len(found.files), found.has_more) == (MOST_FILES, True)
    assert found.files == sorted(map(store.file, range(100_000)), key=order_of)[:MOST_FILES]
    assert store.alive <= 2 * MOST_FILES + 2_000
    assert store.prefixes == ["in/"]


def test_files_that_are_done_or_known_or_older_are_passed_over() -> None:
    store = _Large(30)
    everything = list_files(store, ALL, None, None).files
    assert len(everything) == 30
    assert list_files(store, ALL, None, order_of(everything[2])).files == everything[3:]
    known = store.file(0)
    mark = Mark(
        known.modified_at, known.modified_at - timedelta(seconds=2), frozenset({name_of(known)})
    )
    found = list_files(store, ALL, mark, None)
    assert found.known == {name_of(known): known.modified_at}
    assert known not in found.files
    assert all(file.modified_at >= mark.since for file in found.files)


def test_more_files_than_anyone_would_list_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_LISTED", 2_000)
    with pytest.raises(PermanentError, match=r"orders would look through more than 2,000 files"):
        list_files(_Large(3_000), ALL, None, None)
