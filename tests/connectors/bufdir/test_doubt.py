"""What did not end well: refusals, broken answers, and reports of which nobody knows the fate."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.connectors.bufdir import sync
from shared.crash_points import CrashPoint, arm
from shared.domain.reporting import Settlement
from shared.errors import PermanentError, TransientError
from tests.connectors.bufdir.office import (
    Fault,
    Office,
    says,
    takes_and_breaks_off,
    takes_and_hangs_up,
    takes_and_says,
    takes_and_waits,
)
from tests.connectors.bufdir.reporter import APRIL, SCHEMA, Reporter, config_of
from tests.connectors.databases import Postgres
from tests.connectors.fences import Lease, frozen_loader

LOST: dict[str, Fault] = {
    "no answer": takes_and_hangs_up,
    "an answer that breaks off": takes_and_breaks_off,
    "a web page": takes_and_says(200, b"<html>maintenance</html>"),
    "an answer without a receipt": takes_and_says(200, b"{}"),
    "a server error": takes_and_says(500),
    "a gateway that waited too long": takes_and_says(504),
    "see other": takes_and_says(303),
}


DieAt = Callable[[CrashPoint], None]


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run take the turn from one that lost its lease without a long wait."""
    monkeypatch.setattr(sync, "TURN_WAIT", timedelta(milliseconds=200))


@pytest.fixture
def die_at() -> Iterator[DieAt]:
    """Return a function that lets the process end at a crash point, until the test ends."""

    def arm_at(point: CrashPoint) -> None:
        def act(reached: CrashPoint) -> None:
            if reached is point:
                arm(None)
                raise Died

        arm(act)

    yield arm_at
    arm(None)


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_a_report_whose_answer_is_lost_is_sent_again_with_the_same_key_and_content(
    reporter: Reporter, office: Office, fault: Fault
) -> None:
    office.faults = [fault]
    with pytest.raises(TransientError, match="not known whether the report for 2026-Q1 arrived"):
        reporter.sync()
    reporter.dataset.execute(f"INSERT INTO {SCHEMA}.visit VALUES (9, 9, '2026-02-01')")

    reporter.sync()

    first, second = office.came
    assert (first.key, first.body) == (second.key, second.body)
    assert len(office.taken) == 1
    [receipt] = reporter.receipts()
    assert (receipt.state, receipt.receipt, receipt.requests) == ("accepted", "R-1", 2)


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_without_keys_that_count_once_a_lost_answer_is_a_persons_affair(
    doubtful: Reporter, office: Office, fault: Fault
) -> None:
    office.faults = [fault]
    for _ in range(2):
        with pytest.raises(PermanentError, match="Ask who receives it"):
            doubtful.sync()
    assert doubtful.states() == [("2026-Q1", 0, "unknown")]
    assert len(office.came) == 1


@pytest.mark.parametrize("point", [CrashPoint.STAGED, CrashPoint.LOADED])
def test_a_run_that_dies_around_its_request_is_repeated_without_a_second_report(
    reporter: Reporter, office: Office, die_at: DieAt, point: CrashPoint
) -> None:
    die_at(point)
    with pytest.raises(Died):
        reporter.sync()
    assert reporter.states() == [("2026-Q1", 0, "sending")]

    reporter.sync()

    assert (len(office.taken), reporter.states()) == (1, [("2026-Q1", 0, "accepted")])


@pytest.mark.parametrize("point", [CrashPoint.STAGED, CrashPoint.LOADED])
def test_without_keys_that_count_once_nothing_is_sent_after_a_death(
    doubtful: Reporter, office: Office, die_at: DieAt, point: CrashPoint
) -> None:
    die_at(point)
    with pytest.raises(Died):
        doubtful.sync()
    with pytest.raises(PermanentError, match="Ask who receives it"):
        doubtful.sync()
    assert doubtful.states() == [("2026-Q1", 0, "unknown")]
    assert len(office.came) == (point is CrashPoint.LOADED)


def test_a_report_left_by_an_earlier_period_is_sent_by_the_next_run(
    reporter: Reporter, office: Office, die_at: DieAt
) -> None:
    die_at(CrashPoint.STAGED)
    with pytest.raises(Died):
        reporter.sync()
    reporter.sync(period_at=APRIL.replace(month=7))
    assert reporter.states() == [("2026-Q1", 0, "accepted"), ("2026-Q2", 0, "accepted")]


def test_a_refused_report_is_not_sent_again_until_it_is_corrected(
    reporter: Reporter, office: Office
) -> None:
    office.faults = [says(422)]
    with pytest.raises(PermanentError, match=r"refused the report for 2026-Q1 \(HTTP 422\)"):
        reporter.sync()
    with pytest.raises(PermanentError, match=r"was refused \(HTTP 422\)"):
        reporter.sync()
    assert len(office.came) == 1

    reporter.dataset.execute(f"UPDATE {SCHEMA}.visit SET hours = 2 WHERE id = 1")
    reporter.correct()
    reporter.sync()

    assert reporter.states() == [("2026-Q1", 0, "refused"), ("2026-Q1", 1, "accepted")]
    assert office.taken[0].report["rows"][0]["hours"] == 2
    assert (office.taken[0].report["correction"], office.taken[0].key[-2:]) == (1, ":1")


def test_a_refused_report_does_not_stop_the_others(reporter: Reporter, office: Office) -> None:
    reporter.sync()
    reporter.correct()
    office.faults = [says(400)]
    with pytest.raises(PermanentError, match="HTTP 400"):
        reporter.sync(period_at=APRIL.replace(month=7))
    assert reporter.states() == [
        ("2026-Q1", 0, "accepted"),
        ("2026-Q1", 1, "refused"),
        ("2026-Q2", 0, "accepted"),
    ]


def test_a_pause_that_the_office_asks_for_is_the_runs_wait(
    reporter: Reporter, office: Office
) -> None:
    office.faults = [says(429, Retry_After="120")]
    with pytest.raises(TransientError) as caught:
        reporter.sync()
    assert caught.value.code == "rate_limited"
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 120
    assert reporter.states() == [("2026-Q1", 0, "waiting")]
    reporter.dataset.execute(f"INSERT INTO {SCHEMA}.visit VALUES (9, 9, '2026-02-01')")
    reporter.sync()
    assert len(office.taken[0].report["rows"]) == 3


def test_a_short_pause_is_waited_for_within_the_run(doubtful: Reporter, office: Office) -> None:
    office.faults = [says(429, Retry_After="1")]
    doubtful.sync()
    assert [one.body for one in office.came] == [office.taken[0].body] * 2


def test_a_login_that_is_refused_leaves_the_report_to_be_sent(
    doubtful: Reporter, office: Office
) -> None:
    office.faults = [says(401)]
    with pytest.raises(PermanentError) as caught:
        doubtful.sync()
    assert (caught.value.code, caught.value.fault) == ("authorization", "login")
    doubtful.sync()
    assert doubtful.states() == [("2026-Q1", 0, "accepted")]


def test_a_redirect_is_not_followed_with_a_report(reporter: Reporter, office: Office) -> None:
    office.faults = [says(307, Location=f"{office.url}/elsewhere")]
    with pytest.raises(PermanentError, match="leads to another address"):
        reporter.sync()
    assert [one.path for one in office.came] == ["/figures"]
    assert reporter.states() == [("2026-Q1", 0, "refused")]


def test_what_never_reached_the_office_is_sent_by_the_next_attempt(
    doubtful: Reporter, office: Office
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    good, url = doubtful.config, f"http://127.0.0.1:{port}/figures"
    endpoint = good.endpoint.model_copy(update={"url": url})
    doubtful.config = good.model_copy(update={"endpoint": endpoint})
    with pytest.raises(TransientError, match="was not sent"):
        doubtful.sync()
    assert doubtful.states() == [("2026-Q1", 0, "waiting")]
    doubtful.config = good
    doubtful.sync()
    assert doubtful.states() == [("2026-Q1", 0, "accepted")]


def test_of_a_repeat_a_wrong_address_says_nothing_about_the_first_request(
    reporter: Reporter, office: Office
) -> None:
    office.faults = [takes_and_hangs_up, says(404)]
    with pytest.raises(TransientError):
        reporter.sync()
    with pytest.raises(PermanentError, match="HTTP 404"):
        reporter.sync()
    assert reporter.states() == [("2026-Q1", 0, "sending")]
    reporter.sync()
    assert len(office.taken) == 1


def test_a_repeat_while_the_office_still_works_on_the_first_waits(
    reporter: Reporter, office: Office
) -> None:
    office.faults = [takes_and_hangs_up, says(409)]
    with pytest.raises(TransientError):
        reporter.sync()
    with pytest.raises(TransientError, match="HTTP 409"):
        reporter.sync()
    reporter.sync()
    assert (len(office.taken), reporter.states()) == (1, [("2026-Q1", 0, "accepted")])


def test_another_address_does_not_remember_the_keys_of_the_first(
    reporter: Reporter, office: Office
) -> None:
    office.faults = [takes_and_hangs_up]
    with pytest.raises(TransientError):
        reporter.sync()
    elsewhere = reporter.config.endpoint.model_copy(update={"url": f"{office.url}/v2"})
    reporter.config = reporter.config.model_copy(update={"endpoint": elsewhere})
    with pytest.raises(PermanentError, match="Ask who receives it"):
        reporter.sync()
    assert (len(office.came), reporter.states()) == (1, [("2026-Q1", 0, "unknown")])


def test_a_report_that_a_person_knows_arrived_is_over(doubtful: Reporter, office: Office) -> None:
    office.faults = [takes_and_hangs_up]
    with pytest.raises(PermanentError):
        doubtful.sync()
    settled = doubtful.settle(Settlement.ARRIVED)
    assert (settled.state, settled.settled_by, settled.settled_as) == (
        "accepted",
        "alice",
        "arrived",
    )
    told = doubtful.told()["2026-Q1"]
    assert (told["state"], told["was_sent"]) == ("accepted", False)
    assert len(office.came) == 1


def test_receipts_of_the_first_version_are_gone_on_with(doubtful: Reporter, office: Office) -> None:
    office.faults = [takes_and_hangs_up]
    with pytest.raises(PermanentError):
        doubtful.sync()
    table = f"{doubtful.request.dataset_name}.report_receipt"
    doubtful.dataset.execute(f"ALTER TABLE {table} DROP COLUMN acted_as")
    asked = uuid4()
    assert doubtful.acted_on(asked) is None
    doubtful.settle(Settlement.ARRIVED, request=asked)
    assert doubtful.acted_on(asked).state == "accepted"
    doubtful.correct()
    assert ("2026-Q1", 1, "waiting") in doubtful.states()


def test_a_run_completes_receipts_of_the_first_version(doubtful: Reporter, office: Office) -> None:
    office.faults = [takes_and_hangs_up]
    with pytest.raises(PermanentError):
        doubtful.sync()
    schema = doubtful.request.dataset_name
    doubtful.dataset.execute(f"ALTER TABLE {schema}.report_receipt DROP COLUMN acted_as")
    with pytest.raises(PermanentError):
        doubtful.sync()
    assert doubtful.dataset.rows(
        "SELECT data_type FROM information_schema.columns WHERE column_name = 'acted_as'"
        f" AND table_schema = '{schema}'"
    ) == [("uuid",)]


def test_a_report_that_a_person_has_sent_again_goes_out_as_it_was(
    doubtful: Reporter, office: Office
) -> None:
    office.faults = [says(500)]
    with pytest.raises(PermanentError):
        doubtful.sync()
    doubtful.dataset.execute(f"DELETE FROM {SCHEMA}.visit")
    doubtful.settle(Settlement.SEND_AGAIN)
    doubtful.sync()
    assert office.came[0].body == office.came[1].body
    assert doubtful.states() == [("2026-Q1", 0, "accepted")]


def test_a_run_by_hand_sends_what_people_wait_for_and_nothing_that_is_not_due(
    reporter: Reporter, office: Office
) -> None:
    reporter.sync()
    reporter.correct()
    july, run = APRIL.replace(month=7, day=2), uuid4()
    for _ in range(2):  # the second is an attempt of the same run
        reporter.sync(period_at=july, is_by_hand=True, run_id=run)
    assert reporter.states() == [("2026-Q1", 0, "accepted"), ("2026-Q1", 1, "accepted")]
    reporter.sync(period_at=july, is_by_hand=True)
    assert reporter.states()[-1] == ("2026-Q2", 0, "accepted")


def test_a_run_that_takes_over_from_one_that_waits_for_an_answer_sends_no_second_report(
    reporter: Reporter, office: Office
) -> None:
    seen, over, ends = threading.Event(), threading.Event(), []
    office.faults = [takes_and_waits(seen, over)]

    def first() -> None:
        try:
            reporter.sync()
        except (TransientError, PermanentError) as error:
            ends.append(error.code)

    thread = threading.Thread(target=first)
    thread.start()
    assert seen.wait(30)
    reporter.sync()
    over.set()
    thread.join(60)

    assert ends == ["dataset_unavailable"]
    assert (len(office.taken), len(office.came)) == (1, 2)
    assert [(one.state, one.requests) for one in reporter.receipts()] == [("accepted", 2)]


@pytest.mark.parametrize("point", [CrashPoint.STAGED, CrashPoint.LOADED])
def test_a_worker_that_is_killed_around_its_request_leaves_what_it_takes_to_repeat_it(
    reporter: Reporter, visits: Postgres, office: Office, point: CrashPoint
) -> None:
    with frozen_loader(reporter, point):  # pyright: ignore[reportArgumentType] (as below)
        pass  # it is killed where it stands
    assert reporter.states() == [("2026-Q1", 0, "sending")]
    lease = Lease(visits, fence=2)
    lease.take()
    reporter.sync(lease.confirm)
    assert (len(office.taken), reporter.states()) == (1, [("2026-Q1", 0, "accepted")])


def test_a_token_that_ran_out_is_fetched_anew_and_the_report_sent_once(
    visits: Postgres, office: Office
) -> None:
    auth = {"type": "oauth2_client_credentials", "client_id": "a", "client_secret": "b"}
    auth |= {"token_url": f"http://127.0.0.1:{office.port}/token"}
    office.faults = [says(401)]
    reporter = Reporter(visits, config_of(office, auth=auth))
    reporter.sync()
    assert (office.tokens, len(office.came), len(office.taken)) == (2, 2, 1)
    assert [(one.state, one.requests) for one in reporter.receipts()] == [("accepted", 1)]


@pytest.mark.parametrize("point", [CrashPoint.STAGED, CrashPoint.LOADED])
def test_a_worker_that_was_frozen_around_its_request_changes_nothing_later(
    reporter: Reporter, visits: Postgres, office: Office, point: CrashPoint
) -> None:
    with frozen_loader(reporter, point) as frozen:  # pyright: ignore[reportArgumentType] (a Shop in all it needs)
        lease = Lease(visits, fence=2)
        lease.take()
        reporter.sync(lease.confirm)
        before = reporter.receipts()
        assert frozen.thaw() == "dataset_unavailable"
    assert len(office.taken) == 1
    assert reporter.receipts() == before
