"""The OAuth callback as a provider's redirect calls it; its pages are tested in tests/web."""

import pytest

from tests.functions.conftest import AWAY, CANARY, Logged, Serve


def test_an_authorization_that_nobody_asked_for_is_refused(serve: Serve) -> None:
    answer = serve("oauth_callback").get(f"/?state={'A' * 43}&code={CANARY}")
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert "authorize it again" in answer.text
    assert CANARY not in answer.text


def test_a_database_that_is_away_is_a_page_and_a_line_in_the_log_without_the_code(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    monkeypatch.setenv("SYNCLINE_DATABASE_URL", AWAY)
    answer = serve("oauth_callback").get(f"/?state={'A' * 43}&code={CANARY}")
    assert answer.status_code == 500
    text, lines = logged.read()
    assert [line["event"] for line in lines] == ["request_failed"]
    assert CANARY not in text + answer.text
