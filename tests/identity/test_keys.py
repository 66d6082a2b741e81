import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from shared.errors import CredentialsError
from shared.identity import documents
from shared.identity import keys as module
from shared.identity.documents import DEADLINE, PAUSE, IssuerUnavailableError
from shared.identity.keys import FRESH, LONGEST, UNKNOWN, WAITERS, IssuerKeys
from tests.connectors.gates import wait_until
from tests.issuer import DISCOVERY, Issuer, rsa_key

RSA = (RSAKey,)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, duration: Any) -> None:
        self.now += duration.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, guard: Guard, clock: Clock) -> IssuerKeys:
    return IssuerKeys(issuer.setting, guard, clock)


def test_keys_are_fetched_when_they_are_first_wanted_and_then_known(
    keys: IssuerKeys, issuer: Issuer
) -> None:
    assert not issuer.asked
    for _ in range(5):
        keys.find("one", RSA)
    assert issuer.asked == {DISCOVERY: 1, "/keys": 1}


def test_a_new_key_is_found_and_a_withdrawn_one_is_not_for_long(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    keys.find("one", RSA)
    issuer.keys = {"two": rsa_key("two")}
    clock.pass_by(UNKNOWN)
    assert keys.find("two", RSA)
    with pytest.raises(CredentialsError):
        keys.find("one", RSA)


def test_a_key_that_is_withdrawn_without_another_serves_until_the_next_look(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    keys.find("one", RSA)
    issuer.keys = {}
    clock.pass_by(FRESH / 2)
    assert keys.find("one", RSA)
    clock.pass_by(FRESH / 2)
    with pytest.raises(CredentialsError):
        keys.find("one", RSA)


def test_ids_of_nonsense_cause_one_look_in_a_while(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    keys.find("one", RSA)
    clock.pass_by(UNKNOWN)
    for number in range(50):
        with pytest.raises(CredentialsError):
            keys.find(f"nonsense-{number}", RSA)
    assert issuer.looks == 2
    assert keys.find("one", RSA)


def test_an_issuer_that_is_down_is_no_matter_while_a_known_key_fits(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    keys.find("one", RSA)
    issuer.is_down = True
    clock.pass_by(FRESH)
    assert keys.find("one", RSA)
    with pytest.raises(IssuerUnavailableError) as refused:
        keys.find("two", RSA)
    assert refused.value.retry_after == PAUSE
    clock.pass_by(LONGEST)
    with pytest.raises(IssuerUnavailableError):
        keys.find("one", RSA)
    issuer.is_down = False
    clock.pass_by(PAUSE)
    assert keys.find("one", RSA)


def test_an_issuer_that_is_down_is_asked_once_in_a_while(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    issuer.is_down = True
    for _ in range(20):
        with pytest.raises(IssuerUnavailableError):
            keys.find("one", RSA)
    assert issuer.asked.total() == 1
    clock.pass_by(PAUSE)
    issuer.is_down = False
    assert keys.find("one", RSA)


def test_many_at_once_ask_once_and_all_get_the_key(keys: IssuerKeys, issuer: Issuer) -> None:
    issuer.delay = 0.1
    begin = threading.Barrier(WAITERS + 1)

    def find(_: int) -> object:
        begin.wait()
        return keys.find("one", RSA)

    with ThreadPoolExecutor(WAITERS + 1) as pool:
        assert all(pool.map(find, range(WAITERS + 1)))
    assert issuer.looks == 1


@contextmanager
def asking(keys: IssuerKeys, issuer: Issuer, kid: str) -> Generator[Future[Any]]:
    """Let another thread ask for a key, of an issuer that hangs until the block ends."""
    before = issuer.asked[DISCOVERY]
    issuer.hangs.set()
    with ThreadPoolExecutor(1) as pool:
        asker = pool.submit(keys.find, kid, RSA)
        try:
            wait_until(lambda: issuer.asked[DISCOVERY] > before)
            yield asker
            assert not asker.done()
        finally:
            issuer.hangs.clear()
    assert asker.result()


def test_whoever_has_a_key_does_not_wait_for_the_look_of_another(
    keys: IssuerKeys, issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", DEADLINE)
    keys.find("one", RSA)
    clock.pass_by(FRESH)
    with asking(keys, issuer, "one"):
        assert keys.find("one", RSA)


def test_an_id_that_nobody_knows_waits_a_moment_for_the_look_of_another(
    keys: IssuerKeys, issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", timedelta(milliseconds=20))
    keys.find("one", RSA)
    issuer.keys["two"] = rsa_key("two")
    clock.pass_by(UNKNOWN)
    with asking(keys, issuer, "two"), pytest.raises(IssuerUnavailableError) as refused:
        keys.find("nonsense", RSA)
    assert refused.value.retry_after == PAUSE
    with pytest.raises(CredentialsError):
        keys.find("nonsense", RSA)


@pytest.mark.parametrize("is_cold", [True, False])
def test_no_more_than_a_few_wait_while_an_issuer_hangs(
    keys: IssuerKeys,
    issuer: Issuer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_cold: bool,
) -> None:
    monkeypatch.setattr(module, "PATIENCE", DEADLINE)
    if not is_cold:
        keys.find("one", RSA)
        clock.pass_by(UNKNOWN)
    issuer.keys["two"] = rsa_key("two")
    issuer.hangs.set()
    with ThreadPoolExecutor(WAITERS + 4) as pool:
        callers = [pool.submit(keys.find, "two", RSA) for _ in range(WAITERS + 4)]
        try:
            first = list(islice(as_completed(callers, timeout=4), 3))
        finally:
            issuer.hangs.clear()
    assert all(isinstance(one.exception(), IssuerUnavailableError) for one in first)
    assert all(one.result() for one in callers if one not in first)


def test_who_comes_before_there_are_any_keys_waits_for_them(
    keys: IssuerKeys, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", timedelta(0))
    issuer.delay = 0.1
    with ThreadPoolExecutor(WAITERS + 1) as pool:
        assert all(pool.map(lambda _: keys.find("one", RSA), range(WAITERS + 1)))


@pytest.mark.parametrize(
    "published",
    [
        {"issuer": "https://other.test"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://user:secret@127.0.0.1/keys"},
        {"jwks_uri": "http://169.254.169.254/keys"},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
        {"jwks_uri": "http://127.0.0.1/" + "x" * 2_000},
    ],
)
def test_a_discovery_document_that_cannot_be_trusted_opens_nothing(
    keys: IssuerKeys, issuer: Issuer, published: dict[str, Any]
) -> None:
    issuer.discovery |= published
    with pytest.raises(IssuerUnavailableError, match="Test cannot be had"):
        keys.find("one", RSA)


def test_too_many_keys_are_none(keys: IssuerKeys, issuer: Issuer) -> None:
    issuer.more_keys += [{}] * 100
    with pytest.raises(IssuerUnavailableError):
        keys.find("one", RSA)


def test_an_issuer_that_is_too_slow_is_given_up(
    keys: IssuerKeys, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "DEADLINE", PAUSE / 20)
    issuer.delay = 1
    with pytest.raises(IssuerUnavailableError):
        keys.find("one", RSA)


def test_an_issuer_in_a_network_that_is_not_allowed_is_not_asked(issuer: Issuer) -> None:
    keys = IssuerKeys(issuer.setting, Guard(AddressPolicy()))
    with pytest.raises(IssuerUnavailableError):
        keys.find("one", RSA)
    assert not issuer.asked


def test_the_log_says_what_is_wrong_with_an_issuer_and_nothing_of_its_words(
    keys: IssuerKeys, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.discovery |= {"issuer": "https://canary.test"}
    with pytest.raises(IssuerUnavailableError):
        keys.find("one", RSA)
    [record] = [one for one in caplog.records if one.name == documents.__name__]
    fields = record.syncline_fields
    assert fields["event"] == "issuer_unavailable"
    assert fields["reason"] == "its discovery document is of another issuer"
    assert "canary" not in str(fields)
