"""From where a request comes: what our own proxies say of it, and nothing that the caller says."""

import pytest
from flask import Flask

from shared.domain.audit import Origin
from shared.web.origin import origin_of, request_id


def _address(forwarded: str | None, *, proxies: int = 1) -> str | None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    remote = {"REMOTE_ADDR": "169.254.1.1"}
    with Flask("test").test_request_context(headers=headers, environ_overrides=remote):
        return origin_of(proxies).address


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ("192.0.2.7", 1, "192.0.2.7"),
        ("203.0.113.9, 192.0.2.7", 1, "192.0.2.7"),
        ("10.0.0.1,192.0.2.7,198.51.100.3", 2, "192.0.2.7"),
        ("2001:DB8:0::7", 1, "2001:db8::7"),
        ("::ffff:192.0.2.7", 1, "192.0.2.7"),
    ],
)
def test_the_address_is_the_one_that_the_outermost_proxy_of_ours_saw(
    forwarded: str, proxies: int, address: str
) -> None:
    assert _address(forwarded, proxies=proxies) == address


@pytest.mark.parametrize(
    "forwarded",
    ["", "unknown", "192.0.2.7:1234", "192.0.2.7, ", "fe80::1%eth0", "x" * 10_000, "<script>"],
)
def test_what_is_no_address_is_not_kept(forwarded: str) -> None:
    assert _address(forwarded) is None


def test_a_request_that_passed_fewer_proxies_than_ours_has_no_known_address() -> None:
    assert _address("192.0.2.7", proxies=2) is None


def test_without_a_proxy_the_address_is_that_of_the_connection() -> None:
    assert _address(None) == "169.254.1.1"


def test_an_origin_has_the_id_by_which_the_answer_is_known() -> None:
    with Flask("test").test_request_context(headers={"X-Request-Id": "mine-1"}):
        assert origin_of(1) == Origin(None, "mine-1")
    with Flask("test").test_request_context(headers={"X-Request-Id": "not mine"}):
        assert origin_of(1).request_id == request_id() != "not mine"
