"""Update masks."""

import pytest

from infra.local.cloud_scheduler.masks import merged
from infra.local.cloud_scheduler.messages import FieldMask
from infra.local.emulator.errors import ApiError
from tests.infra.cloud_scheduler.jobs import message

STORED = message(
    description="old",
    http_target={"uri": "http://old/", "headers": {"a": "1", "b": "2"}},
)


def test_only_masked_fields_change() -> None:
    wanted = message(description="new", schedule="0 0 * * *")
    result = merged(STORED, wanted, FieldMask(paths=["schedule"]))
    assert (result.schedule, result.description) == ("0 0 * * *", "old")


def test_a_masked_field_that_is_not_set_is_cleared() -> None:
    assert not merged(STORED, message(), FieldMask(paths=["description"])).description


def test_a_masked_message_is_replaced_and_not_mixed() -> None:
    wanted = message(http_target={"uri": "http://new/", "headers": {"c": "3"}})
    result = merged(STORED, wanted, FieldMask(paths=["http_target"]))
    assert dict(result.http_target.headers) == {"c": "3"}


def test_a_path_into_a_message_leaves_its_other_fields() -> None:
    wanted = message(http_target={"uri": "http://new/"})
    result = merged(STORED, wanted, FieldMask(paths=["http_target.uri"]))
    assert result.http_target.uri == "http://new/"
    assert dict(result.http_target.headers) == {"a": "1", "b": "2"}


def test_no_mask_stands_for_every_field_that_is_set() -> None:
    result = merged(STORED, message(schedule="0 0 * * *", description=""), FieldMask())
    assert (result.schedule, result.description) == ("0 0 * * *", "old")


def test_output_only_fields_are_ignored() -> None:
    wanted = message(name="other", state=2, status={"code": 3})
    result = merged(STORED, wanted, FieldMask(paths=["name", "state", "status.code"]))
    assert result == STORED


@pytest.mark.parametrize("path", ["colour", "http_target.colour", "timeZone"])
def test_a_path_that_does_not_exist_is_refused(path: str) -> None:
    with pytest.raises(ApiError, match=f"Invalid mask for Job: {path}"):
        merged(STORED, message(), FieldMask(paths=[path]))
