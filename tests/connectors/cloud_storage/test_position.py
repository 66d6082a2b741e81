"""A position is of a stream as it is configured, and of one version of a file."""

import json
from typing import Any

import pytest

from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.landing import Kind
from shared.connectors.cloud_storage.position import (
    Stop,
    Within,
    identity_of,
    stop_of,
    write_stop,
)
from shared.connectors.cloud_storage.records import Place
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.positions import is_finished, read_stop
from shared.errors import PermanentError
from tests.connectors.cloud_storage.drop import NOON, folder_config

_STOP = Stop((NOON, "a.csv"), Within("b.csv", "v1", Place(7, 70)), {"x": Kind.NUMERIC})


def _identity(url: str = "file:///", **stream: Any) -> str:
    config = CloudStorageConfig.model_validate(folder_config(**stream) | {"url": url})
    return identity_of(config, config.streams[0])


def test_a_stop_survives_the_way_through_the_database() -> None:
    stored = json.loads(json.dumps(write_stop("id", _STOP)))
    assert read_stop("orders", "id", stored, stop_of) == _STOP
    empty = json.loads(json.dumps(write_stop("id", Stop())))
    assert read_stop("orders", "id", empty, stop_of) == Stop()


def test_reading_goes_on_in_the_same_version_of_the_file_only() -> None:
    assert _STOP.start_in(StoredFile("b.csv", NOON, 1, "v1")) == Place(7, 70)
    assert _STOP.start_in(StoredFile("b.csv", NOON, 1, "v2")) == Place()
    assert _STOP.start_in(StoredFile("c.csv", NOON, 1, "v1")) == Place()


def test_a_position_of_other_settings_is_of_no_use() -> None:
    identities = [
        _identity(),
        _identity(url="file:///in"),
        _identity(files=["*.csv"]),
        _identity(csv={"delimiter": ";"}),
    ]
    assert len(set(identities)) == 4
    assert read_stop("orders", "another", write_stop("id", _STOP), stop_of) is None
    assert not is_finished("id", write_stop("id", _STOP))


def test_a_position_that_cannot_be_read_ends_the_run() -> None:
    for wrong in ({"kinds": {"x": "nothing"}}, {"done": ["yesterday", "a"]}, {"within": [1]}):
        with pytest.raises(PermanentError, match="start it anew"):
            read_stop("orders", "id", {**write_stop("id", _STOP), **wrong}, stop_of)
