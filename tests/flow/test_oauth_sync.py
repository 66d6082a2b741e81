"""A run of an authorized connector reads with its tokens, and renews them on the way."""

from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.registry import connector_type
from shared.flow import oauth_tokens
from shared.flow.attempt import AttemptResult, Workshop, attempt_run
from shared.flow.look import Lookout, check_connector
from tests.connectors.api.server import says
from tests.factories import make_schedule
from tests.flow.authorizing import Person
from tests.flow.queues import PausedQueue
from tests.flow.workers import LEASE, call_of, moved
from tests.loopback import LOOPBACK


@pytest.fixture
def workshop(person: Person, paused: PausedQueue, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Return a worker whose connector reads the orders, and loads them nowhere."""

    def sync(request: SyncRequest, _confirm: ConfirmLease) -> SyncResult:
        assert connector_type("api").check(request) == []
        return moved(processed=2)

    monkeypatch.setattr(type(connector_type("api")), "sync", lambda _, *given: sync(*given))
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    return Workshop(person.engine, paused.queue, person.key, nowhere, LEASE, guard=LOOPBACK)


def test_the_first_sync_reads_with_the_new_tokens(person: Person, workshop: Workshop) -> None:
    person.authorize(person.new_connector())
    (run,) = person.runs()
    assert attempt_run(workshop, call_of(run)) is AttemptResult.RECORDED
    (run,) = person.runs()
    assert (run["status"], run["error"]) == ("success", None)
    assert person.server.refreshes == 0


def test_a_token_that_is_refused_in_the_middle_is_renewed_once(
    person: Person, workshop: Workshop
) -> None:
    person.authorize(person.new_connector())
    person.server.expire()
    (run,) = person.runs()
    attempt_run(workshop, call_of(run))
    assert person.runs()[0]["status"] == "success"
    assert person.server.refreshes == 1


def test_a_grant_that_ended_ends_the_run_and_the_next_ones_are_skipped_until_a_person_comes(
    person: Person, workshop: Workshop
) -> None:
    connector = person.new_connector()
    schedule = make_schedule(
        person.engine, person.tenant, connector=connector, frequency="manual", cron_expression=None
    )
    person.authorize(connector)
    person.server.expire()
    person.server.faults.append(says(400, {"error": "invalid_grant"}))
    (run,) = person.runs()
    attempt_run(workshop, call_of(run))
    (run,) = person.runs()
    assert (run["status"], run["reason"]) == ("error", "authorization")
    assert "authorize the connector again" in run["error"]
    assert person.status(connector) == "needs_reauthorization"
    (shown,) = person.rows("sync_schedule")
    assert (shown["id"], shown["last_run_status"]) == (schedule["id"], "failed")

    person.authorize(connector)
    attempt_run(workshop, call_of(person.runs()[1]))
    assert person.runs()[1]["status"] == "success"


def test_a_run_that_waits_while_the_authorization_is_gone_is_skipped(
    person: Person, workshop: Workshop
) -> None:
    person.authorize(person.new_connector())
    person.execute("UPDATE workspace_connector SET status = 'needs_reauthorization'")
    assert attempt_run(workshop, call_of(person.runs()[0])) is AttemptResult.SKIPPED
    assert person.runs()[0]["reason"] == "connector_unavailable"


def test_trouble_of_the_provider_lets_the_run_wait_as_long_as_it_asks(
    person: Person, workshop: Workshop
) -> None:
    person.authorize(person.new_connector())
    person.server.expire()
    person.server.faults.append(says(429, Retry_After="3000"))
    attempt_run(workshop, call_of(person.runs()[0]))
    (run,) = person.runs()
    assert (run["status"], run["reason"], run["attempt"]) == ("scheduled", "rate_limited", 0)
    assert run["connector_held_until"] is not None


def test_a_check_says_what_is_missing_and_renews_what_is_old(person: Person) -> None:
    lookout = Lookout(person.engine, person.key, LOOPBACK)

    def findings(connector: UUID) -> list[str]:
        report = check_connector(lookout, person.tenant.principal, connector)
        return [finding.message for finding in report.findings]

    connector = person.new_connector()
    assert findings(connector) == ["The connector is not authorized: authorize it."]
    person.authorize(connector)
    person.server.expire()
    assert findings(connector) == []
    assert person.server.refreshes == 1


def test_trouble_of_our_own_database_is_not_told_as_the_sources(
    person: Person, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:

    person.authorize(person.new_connector())

    def fail(*_: object) -> None:
        raise OperationalError("", None, Exception())

    monkeypatch.setattr(oauth_tokens, "find_source", fail)
    attempt_run(workshop, call_of(person.runs()[0]))
    (run,) = person.runs()
    assert (run["status"], run["reason"]) == ("scheduled", "internal")
