"""The OAuth callback as a provider's redirect calls it."""

from tests.functions.conftest import CANARY, Serve


def test_an_authorization_that_nobody_asked_for_is_refused(serve: Serve) -> None:
    answer = serve("oauth_callback").get(f"/?state={CANARY}&code={CANARY}")
    assert (answer.status_code, answer.json["code"]) == (400, "unknown_state")
    assert CANARY not in answer.text
