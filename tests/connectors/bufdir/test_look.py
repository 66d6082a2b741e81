"""A check says what stands in the way of a report, and sends nothing."""

import socket
from pathlib import Path
from typing import Any

import pytest

from shared.connectors.base import ReadableDataset, SourceAccess, SourceColumn
from shared.connectors.registry import connector_type
from shared.egress.guard import Guard
from shared.errors import PermanentError, TransientError
from tests.connectors.bufdir.office import Office
from tests.connectors.bufdir.reporter import SCHEMA, SOURCE, config_of
from tests.connectors.databases import Postgres
from tests.connectors.one_answer import one_answer, self_signed
from tests.loopback import LOOPBACK

TYPE = connector_type("bufdir")


def access(
    visits: Postgres, office: Office, guard: Guard = LOOPBACK, **changes: Any
) -> SourceAccess:
    config = TYPE.config_model.model_validate(config_of(office, **changes))
    datasets = {SOURCE: ReadableDataset(visits.dsn, SCHEMA)}
    return SourceAccess(config=config, guard=guard, datasets=datasets)


def test_a_report_that_could_be_sent_is_not(visits: Postgres, office: Office) -> None:
    auth = {"type": "oauth2_client_credentials", "client_id": "a", "client_secret": "b"}
    auth |= {"token_url": f"http://127.0.0.1:{office.port}/token"}
    assert TYPE.check(access(visits, office, auth=auth)) == ()
    assert (office.tokens, office.came) == (1, [])


def test_the_report_is_the_one_stream_with_the_names_that_it_sends(
    visits: Postgres, office: Office
) -> None:
    [stream] = TYPE.streams(access(visits, office))
    assert (stream.name, stream.kind) == ("report", "report")
    assert stream.columns == (
        SourceColumn("case", "integer", is_nullable=True),
        SourceColumn("hours", "numeric", is_nullable=True),
    )


def test_a_table_or_column_that_is_not_there_is_named(visits: Postgres, office: Office) -> None:
    with pytest.raises(PermanentError, match="has no table gone") as caught:
        TYPE.check(access(visits, office, dataset={"table": "gone"}))
    assert caught.value.fault == "not_found"
    with pytest.raises(PermanentError, match="has no gone") as caught:
        TYPE.check(access(visits, office, dataset={"columns": [{"column": "gone"}]}))
    assert caught.value.fault == "schema"


def test_an_endpoint_that_nobody_serves_is_refused(visits: Postgres, office: Office) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    url = f"http://127.0.0.1:{port}/figures"
    with pytest.raises(TransientError) as caught:
        TYPE.check(access(visits, office, endpoint={"url": url}))
    assert caught.value.fault == "refused"


def test_a_certificate_that_nobody_vouches_for_is_a_tls_fault(
    visits: Postgres, office: Office, tmp_path: Path
) -> None:
    with one_answer(b"", tls=self_signed(tmp_path / "server.pem")) as port:
        url = f"https://localhost:{port}/figures"
        with pytest.raises(PermanentError) as caught:
            TYPE.check(access(visits, office, endpoint={"url": url}))
    assert caught.value.fault == "tls"


def test_a_login_that_gets_no_token_is_a_login_fault(visits: Postgres, office: Office) -> None:
    auth = {"type": "oauth2_client_credentials", "client_id": "a", "client_secret": "b"}
    auth |= {"token_url": f"{office.url}/no-token"}
    with pytest.raises(PermanentError) as caught:
        TYPE.check(access(visits, office, auth=auth))
    assert caught.value.fault == "login"


def test_a_host_that_connectors_may_not_reach_is_told(visits: Postgres, office: Office) -> None:
    with pytest.raises(PermanentError) as caught:
        TYPE.check(access(visits, office, Guard()))
    assert caught.value.fault == "address_not_allowed"


def test_a_dataset_of_another_workspace_is_not_looked_at(visits: Postgres, office: Office) -> None:
    config = TYPE.config_model.model_validate(config_of(office))
    with pytest.raises(PermanentError, match=r"dataset\.connector_id") as caught:
        TYPE.check(SourceAccess(config=config, guard=LOOPBACK))
    assert caught.value.fault == "not_found"
