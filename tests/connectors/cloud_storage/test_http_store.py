"""What a store answers badly is told, and neither believed nor followed."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from shared.connectors.access_failures import access_failure
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.s3 import S3Store
from shared.connectors.cloud_storage.store import StoredFile
from shared.egress.lines import Lines
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.cloud_storage.drop import NOON, stream_config
from tests.connectors.cloud_storage.object_server import Answer, Handler, serving
from tests.loopback import LOOPBACK

_FILE = StoredFile("a.csv", NOON, 10, '"v"')
_BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    b"<ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>"
)


def _told(answer: Answer, act: Callable[[S3Store], Any]) -> SynclineError:
    """Return what an act of a store comes to that answers so."""

    class _Always(Handler):
        def respond(self) -> None:
            raise answer

    config = {"url": "s3://bucket", "streams": [stream_config()]}
    with serving(_Always) as port:
        settings = CloudStorageConfig.model_validate(
            config | {"endpoint_url": f"http://127.0.0.1:{port}"}
        )
        with (
            S3Store(settings, LOOPBACK, Lines()) as store,
            pytest.raises(Exception) as failed,  # noqa: PT011 (whatever a library raises)
        ):
            act(store)
        failure = access_failure(failed.value)
    assert "canary" not in str(failure)
    return failure


def _list(store: S3Store) -> Any:
    return list(store.pages(""))


def _read(store: S3Store) -> Any:
    return store.read(_FILE, 2, 4)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>canary",
        b"",
        _BOMB,
        b"<a><Contents><Key>k</Key><LastModified>canary</LastModified></Contents></a>",
        (
            b"<a><Contents><Key>k</Key><LastModified>2024-01-01T00:00:00Z</LastModified>"
            b"<Size>canary</Size></Contents></a>"
        ),
    ],
)
def test_a_listing_that_is_none_is_told(body: bytes) -> None:
    failure = _told(Answer(HTTPStatus.OK, body), _list)
    assert isinstance(failure, TransientError)
    assert "gave an answer that cannot be used" in str(failure)


@pytest.mark.parametrize(
    ("status", "code", "fault", "kind"),
    [
        (301, "PermanentRedirect", "settings", PermanentError),
        (400, "AuthorizationHeaderMalformed", "settings", PermanentError),
        (400, "canary", "schema", PermanentError),
        (403, "ExpiredToken", "login", PermanentError),
        (403, "InvalidObjectState", "permission", PermanentError),
        (403, "RequestTimeTooSkewed", "other", TransientError),
        (503, "SlowDown", "rate_limited", TransientError),
        (500, "InternalError", "unavailable", TransientError),
    ],
)
def test_a_refusal_is_told_by_its_code_and_else_by_its_status(
    status: int, code: str, fault: str, kind: type[SynclineError]
) -> None:
    body = f"<Error><Code>{code}</Code><Message>canary</Message></Error>".encode()
    for act in (_list, _read):
        failure = _told(Answer(HTTPStatus(status), body), act)
        assert isinstance(failure, kind)
        assert getattr(failure, "fault", None) == fault


def test_a_redirect_is_not_followed() -> None:
    answer = Answer(HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": "http://169.254.169.254/"})
    assert isinstance(_told(answer, _list), PermanentError)


def test_a_whole_file_in_place_of_a_part_is_not_believed() -> None:
    failure = _told(Answer(HTTPStatus.OK, b"0123456789"), _read)
    assert "does not support ranges" in str(failure)


def test_a_part_of_another_length_is_not_believed() -> None:
    failure = _told(Answer(HTTPStatus.PARTIAL_CONTENT, b"01"), _read)
    assert "gave another part of a.csv" in str(failure)


def test_a_part_that_breaks_off_is_worth_another_attempt() -> None:
    class _Short(Handler):
        def respond(self) -> None:
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"01")
            self.close_connection = True

    config = {"url": "s3://bucket", "streams": [stream_config()]}
    with serving(_Short) as port:
        endpoint = {"endpoint_url": f"http://127.0.0.1:{port}"}
        settings = CloudStorageConfig.model_validate(config | endpoint)
        with (
            S3Store(settings, LOOPBACK, Lines()) as store,
            pytest.raises(Exception) as failed,  # noqa: PT011 (whatever a library raises)
        ):
            _read(store)
    assert isinstance(access_failure(failed.value), TransientError)
