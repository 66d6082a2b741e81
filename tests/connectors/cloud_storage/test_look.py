"""A look at a store says what is wrong with each stream, and what else there is to sync."""

from typing import Any

import pytest

from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.look import offered_streams
from shared.egress.files import FilesRoot
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import Drop, Folder, folder_config, packed, stream_config


def _offered(drop: Drop) -> dict[str, Any]:
    return {stream.name: stream for stream in offered_streams(drop.access)}


def _failures(drop: Drop) -> dict[str, str | None]:
    return {failure.stream: failure.error.fault for failure in drop.type.check(drop.access)}


def test_a_check_opens_the_newest_file_of_each_stream(folder: Folder) -> None:
    folder.put("good/a.csv", "a,b\n1,2\n")
    folder.put("bad/old.parquet", "no parquet", 1)
    folder.put("mended/old.parquet", "no parquet", 1)
    folder.put("mended/new.csv", "a,b\n1,2\n", 2)
    streams = [stream_config(name=name, files=[f"{name}/*"]) for name in ("good", "bad", "mended")]
    streams.append(stream_config(name="empty", files=["empty/*"]))
    drop = Drop({"url": "file:///", "streams": streams}, files=FilesRoot(folder.root))
    assert _failures(drop) == {"bad": "schema", "empty": "not_found"}


def test_a_file_whose_format_nobody_can_tell_is_told(folder: Folder) -> None:
    folder.put("a.xlsx", "x")
    drop = folder.drop()
    (failure,) = drop.type.check(drop.access)
    assert str(failure.error).startswith("a.xlsx has an ending that stands for no format")
    assert not Drop(folder_config(format="csv"), files=drop.files).type.check(
        Drop(folder_config(format="csv"), files=drop.files).access
    )


def test_a_configured_stream_is_offered_with_the_columns_of_its_newest_file(
    folder: Folder,
) -> None:
    folder.put("a.csv", "id\n1\n", 1)
    folder.put("b.csv", "id,name\n1,x\n", 2)
    offered = _offered(folder.drop(csv={"types": {"id": "bigint"}}))["orders"]
    assert [(column.name, column.type) for column in offered.columns] == [
        ("id", "bigint"),
        ("name", "text"),
        ("_file", "text"),
        ("_row", "bigint"),
        ("_file_modified_at", "timestamp"),
    ]
    assert offered.cursors == ("_file_modified_at",)


def test_folders_that_no_stream_reads_are_suggested(folder: Folder) -> None:
    folder.put("a.csv", "id\n1\n")
    folder.put("more/2024.csv.gz", packed("x,y\n1,2\n"))
    folder.put("more/2025.csv.gz", packed("x,y,z\n1,2,3\n"), 1)
    folder.put("more/events.jsonl", '{"n": 1}\n')
    folder.put("more/broken.parquet", "no parquet")
    folder.put("more/readme.txt", "text")
    offered = _offered(folder.drop(files=["*.csv"]))
    assert set(offered) == {"orders", "more_csv_gz", "more_jsonl"}
    assert [column.name for column in offered["more_csv_gz"].columns][:3] == ["x", "y", "z"]
    for stream in offered.values():
        CloudStorageConfig.model_validate({"url": "file:///", "streams": [stream.settings]})
    assert offered["more_jsonl"].settings == {"name": "more_jsonl", "files": ["more/*.jsonl"]}


def test_a_deployment_without_files_says_so(folder: Folder) -> None:
    drop = Drop(folder_config())
    with pytest.raises(PermanentError, match="set SYNCLINE_FILES_ROOT"):
        drop.type.check(drop.access)
