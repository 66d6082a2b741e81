"""Whatever an API answers, a run ends with the status and the sentence that a person can act on."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from time import sleep

import pytest

from shared.connectors.api.config import ApiConfig
from shared.connectors.registry import connector_type
from shared.egress.doors import Limits
from shared.egress.guard import Guard
from shared.errors import PermanentError, TransientError
from tests.connectors.api.readings import SINCE, api, stream, sync_request
from tests.connectors.api.server import Fault, RestServer, says
from tests.connectors.databases import hold_lease
from tests.egress.hostile import Hostile, hostile_server
from tests.egress.resolver import answers

CANARY = "canary-7f3a"
KEY = {"type": "api_key", "name": "X-Api-Key", "key": CANARY}


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with hostile_server() as server:
        yield server


def failure_of(config: ApiConfig, guard: Guard | None = None) -> TransientError | PermanentError:
    """Sync, and return the error that ends the run; no secret is in it."""
    request = sync_request(config, **({} if guard is None else {"guard": guard}))
    with pytest.raises((TransientError, PermanentError)) as failed:
        connector_type("api").sync(request, hold_lease)
    assert CANARY not in str(failed.value)
    return failed.value


def told(error: TransientError | PermanentError) -> tuple[bool, str, str | None, str]:
    return isinstance(error, TransientError), error.code, error.fault, str(error)


RATE = "The source asks for fewer requests (HTTP 429)."
BUSY = "The source failed or is too busy (HTTP 500)."
CHECK = "authorize the connector again, or check its key"
REFUSED = f"The source refused the credentials: {CHECK} (HTTP 401)."
FORBIDDEN = (
    "The source does not permit this: check what the connector's account may read (HTTP 403)."
)
NO_TIME = (
    "A record of orders has no iso8601 in changed: choose the cursor's field and format as the API"
    " writes them."
)
HINT = " If it stays so, check the connector's settings."


@pytest.mark.parametrize(
    ("fault", "is_transient", "code", "kind", "sentence"),
    [
        (says(429), True, "rate_limited", "rate_limited", RATE),
        (says(500, CANARY.encode()), True, "source_unavailable", "unavailable", BUSY),
        (
            says(200, b"<!doctype html><h1>Welcome</h1>"),
            True,
            "source_unavailable",
            "schema",
            f"The source gave a web page instead of JSON.{HINT}",
        ),
        (
            says(200, b'{"data": [{"id": 1}, {"id'),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an answer that is not whole JSON.{HINT}",
        ),
        (
            says(200, b'{"data": [{"id": NaN}]}'),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an answer that is not whole JSON.{HINT}",
        ),
        (
            says(200, b'{"data": [{"id": 1, "name": "\xff"}]}'),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an answer that is not UTF-8.{HINT}",
        ),
        (
            says(200, b""),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an empty answer.{HINT}",
        ),
        (
            says(200, b"[" * 100_000),
            True,
            "source_unavailable",
            "schema",
            f"The source gave an answer with too many levels.{HINT}",
        ),
        (
            says(200, b'{"items": []}'),
            False,
            "configuration",
            "schema",
            "orders answers with nothing at data: correct record_path.",
        ),
        (
            says(200, b'{"data": ["a", "b"]}'),
            False,
            "configuration",
            "schema",
            "orders has records at data that are no objects: correct record_path.",
        ),
        (
            says(200, b'{"data": [{"key": 1}]}'),
            False,
            "configuration",
            "schema",
            "The records of orders have no id: correct primary_key.",
        ),
        (
            says(401, CANARY.encode()),
            False,
            "authorization",
            "login",
            REFUSED,
        ),
        (
            says(403),
            False,
            "authorization",
            "permission",
            FORBIDDEN,
        ),
        (
            says(404),
            False,
            "configuration",
            "not_found",
            "The source has nothing at this address: check the connector's settings (HTTP 404).",
        ),
    ],
)
def test_an_answer_that_is_of_no_use_is_a_sentence(
    server: RestServer, fault: Fault, is_transient: bool, code: str, kind: str, sentence: str
) -> None:
    server.always["/wrapped"] = fault
    assert told(failure_of(api(server, auth=KEY))) == (is_transient, code, kind, sentence)


@pytest.mark.parametrize(
    "body", [b'{"data": []}', b'{"data": null}', b"\xef\xbb\xbf" + b'{"data":[]}']
)
def test_an_empty_list_is_no_fault(server: RestServer, body: bytes) -> None:
    server.always["/wrapped"] = says(200, body)
    result = connector_type("api").sync(sync_request(api(server)), hold_lease)
    assert result.records_processed == 0


def test_nothing_at_all_is_an_empty_stream(server: RestServer) -> None:
    server.always["/wrapped"] = says(204)
    assert connector_type("api").sync(sync_request(api(server)), hold_lease).positions is None


def test_a_body_that_is_no_list_needs_a_record_path(server: RestServer) -> None:
    server.always["/wrapped"] = says(200, {"data": []})
    error = failure_of(api(server, stream(record_path=None)))
    assert str(error) == ("orders answers with no list: say in record_path where its records are.")


def test_a_long_retry_after_is_the_run_s_and_a_short_one_is_waited_for(
    server: RestServer,
) -> None:
    server.always["/wrapped"] = says(429, Retry_After="3600")
    error = failure_of(api(server))
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after) == ("rate_limited", timedelta(hours=1))
    assert len(server.asked) == 1
    server.always.clear()
    server.faults["/wrapped"] = [says(429, Retry_After="1")]
    connector_type("api").sync(sync_request(api(server)), hold_lease)
    assert server.asked[2].at - server.asked[1].at >= 0.9


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_burst_of_trouble_is_sat_out(server: RestServer, status: int) -> None:
    server.faults["/wrapped"] = [says(status)] * 3
    connector_type("api").sync(sync_request(api(server)), hold_lease)
    assert len(server.asked) == 4


def test_a_redirect_on_the_same_host_is_followed_with_the_credentials(server: RestServer) -> None:
    server.always["/moved"] = says(307, Location="/wrapped")
    connector_type("api").sync(sync_request(api(server, stream("/moved"), auth=KEY)), hold_lease)
    assert [one.headers.get("X-Api-Key") for one in server.asked] == [CANARY] * 2


def test_a_redirect_to_another_origin_is_followed_without_the_credentials(
    server: RestServer,
) -> None:
    server.always["/moved"] = says(307, Location=f"http://localhost:{server.port}/wrapped")
    connector_type("api").sync(sync_request(api(server, stream("/moved"), auth=KEY)), hold_lease)
    assert [one.headers.get("X-Api-Key") for one in server.asked] == [CANARY, None]


def test_a_redirect_to_the_metadata_address_is_refused(server: RestServer) -> None:
    server.always["/moved"] = says(302, Location="http://169.254.169.254/computeMetadata/v1/")
    error = failure_of(api(server, stream("/moved")))
    assert (error.code, error.fault) == ("configuration", "address_not_allowed")
    assert "the metadata service of the cloud" in str(error)


def test_a_redirect_without_an_end_is_refused(server: RestServer) -> None:
    server.always["/moved"] = says(302, Location="/moved")
    error = failure_of(api(server, stream("/moved")))
    assert told(error)[:3] == (False, "configuration", "settings")
    assert "redirects without an end" in str(error)


def raw(answer: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    return send


def hostile_api(hostile: Hostile, **settings: object) -> ApiConfig:
    return ApiConfig.model_validate(
        {"base_url": hostile.url(""), "streams": [stream("/orders")], **settings}
    )


def test_a_body_of_five_gigabytes_is_not_read(hostile: Hostile) -> None:
    hostile.answers["/orders"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\n\r\n[")
    error = failure_of(hostile_api(hostile))
    assert told(error)[:3] == (False, "configuration", "settings")
    assert str(error) == ("An answer of 127.0.0.1 is larger than 64 MiB: ask it for smaller pages.")


def test_a_body_that_breaks_off_is_asked_for_again_and_then_told(hostile: Hostile) -> None:
    hostile.answers["/orders"] = raw(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"data":')
    assert told(failure_of(hostile_api(hostile))) == (
        True,
        "source_unavailable",
        "unavailable",
        "The source failed or closed the connection: see whether it is well (IncompleteRead).",
    )
    assert len(hostile.heard) == 4


def test_a_connection_that_is_dropped_is_asked_for_again(hostile: Hostile) -> None:
    def drop(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    hostile.answers["/orders"] = drop
    assert told(failure_of(hostile_api(hostile)))[:3] == (
        True,
        "source_unavailable",
        "unavailable",
    )
    assert len(hostile.heard) == 4


def test_a_drip_of_bytes_is_given_up(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    from shared.connectors.json_http import session  # noqa: PLC0415 (as the settings are, without dlt)

    monkeypatch.setattr(session, "LIMITS", Limits(answer=timedelta(seconds=1)))

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not hostile.stopping.is_set():
            handler.wfile.write(b" ")
            sleep(0.05)

    hostile.answers["/orders"] = drip
    assert told(failure_of(hostile_api(hostile))) == (
        True,
        "source_unavailable",
        "timeout",
        "127.0.0.1 did not give all of its answer in time.",
    )
    assert len(hostile.heard) == 1


def test_a_server_that_is_silent_is_given_up(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.json_http import session  # noqa: PLC0415 (as the settings are, without dlt)

    monkeypatch.setattr(session, "LIMITS", Limits(silence=timedelta(seconds=0.3)))
    hostile.answers["/orders"] = lambda _: hostile.stopping.wait() and None
    error = failure_of(hostile_api(hostile))
    assert told(error)[:3] == (True, "source_unavailable", "timeout")


def test_a_server_that_is_not_there_is_told(server: RestServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    config = ApiConfig.model_validate(
        {"base_url": f"http://127.0.0.1:{port}", "streams": [stream()]}
    )
    assert told(failure_of(config)) == (
        True,
        "source_unavailable",
        "refused",
        f"127.0.0.1:{port} cannot be reached: see whether it runs and its firewall lets us in.",
    )


def test_a_name_that_changes_between_look_and_use_leads_nowhere(
    server: RestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://shop.example:{server.port}"
    config = ApiConfig.model_validate({"base_url": url, "streams": [stream()]})
    # Looked up when the session is opened, and again for the connection: what is checked is used.
    answers(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    error = failure_of(config)
    assert (error.code, error.fault) == ("configuration", "address_not_allowed")
    assert server.asked == []
    answers(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"])
    connector_type("api").sync(sync_request(config), hold_lease)
    assert len(server.asked) == 1


def test_http_goes_to_no_public_network(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["93.184.215.14"])
    config = ApiConfig.model_validate(
        {"base_url": "http://shop.example", "streams": [stream()], "auth": KEY}
    )
    assert told(failure_of(config, Guard())) == (
        False,
        "configuration",
        "tls",
        "shop.example would be asked without encryption, over public networks: use https://.",
    )


def test_a_cursor_of_another_format_is_a_sentence(server: RestServer) -> None:
    server.records = [{"id": 1, "changed": 1_700_000_000}, {"id": 2, "changed": "n/a"}]
    error = failure_of(api(server, stream(cursor=SINCE)))
    assert told(error) == (
        False,
        "configuration",
        "schema",
        NO_TIME,
    )
