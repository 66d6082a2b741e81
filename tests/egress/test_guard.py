import socket
import threading
from datetime import timedelta
from ipaddress import ip_address

import pytest

from shared.egress import names
from shared.egress.guard import Guard
from shared.egress.names import resolve
from shared.errors import PermanentError, TransientError
from tests.egress.hostile import Hostile
from tests.egress.resolver import answers


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "this machine itself"),
        ("2130706433", "this machine itself"),
        ("0x7f.1", "this machine itself"),
        ("0177.0.0.1", "this machine itself"),
        ("localhost", "this machine itself"),
        ("::ffff:10.0.0.1", "a private network"),
        ("169.254.169.254", "the metadata service"),
        ("[::1]", "is not the name"),
    ],
)
def test_a_host_in_any_spelling_is_judged_by_its_addresses(host: str, kind: str) -> None:
    with pytest.raises((PermanentError, TransientError), match=f"{kind}|cannot be resolved"):
        Guard().addresses_of(host)


def test_one_address_that_is_refused_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(PermanentError, match=r"two\.example leads to this machine itself"):
        Guard().addresses_of("two.example")


def test_a_name_that_changes_between_check_and_use_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, guard: Guard, server: Hostile
) -> None:
    asked = answers(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    with guard.connect("rebound.example", server.port) as connection:
        assert connection.getpeername() == ("127.0.0.1", server.port)
    assert asked.call_count == 1


def test_the_next_address_is_tried_when_the_first_takes_no_connection(
    monkeypatch: pytest.MonkeyPatch, guard: Guard, server: Hostile
) -> None:
    answers(monkeypatch, ["127.0.0.7", "127.0.0.1"])
    with guard.connect("two.example", server.port) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_a_port_that_nobody_listens_on_is_told(guard: Guard) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(TransientError, match=rf"127\.0\.0\.1:{port} cannot be reached"):
            guard.connect("127.0.0.1", port)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_is_none_is_refused(guard: Guard, port: int) -> None:
    with pytest.raises(PermanentError, match="is no port"):
        guard.connect("127.0.0.1", port)


@pytest.mark.parametrize("host", ["", "a" * 254, "a..b", "a\nb", "x" * 64 + ".example"])
def test_what_cannot_be_a_name_is_a_matter_of_configuration(host: str) -> None:
    with pytest.raises(PermanentError, match="is not the name of a host"):
        resolve(host)


def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    with pytest.raises(TransientError, match=r"nobody\.invalid cannot be resolved"):
        resolve("nobody.invalid")


def test_a_resolver_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(names.socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    with pytest.raises(TransientError, match="was not resolved in time"):
        resolve("slow.example", timedelta(seconds=0.05))
    over.set()


def test_addresses_come_in_the_order_of_the_system_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, ["8.8.4.4", "8.8.8.8", "8.8.4.4"])
    assert Guard().addresses_of("many.example") == [ip_address("8.8.4.4"), ip_address("8.8.8.8")]
