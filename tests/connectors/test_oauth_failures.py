"""An OAuth error says whether to wait, to authorize again, or to correct the settings."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors import oauth_failures
from shared.connectors.oauth_failures import GrantEndedError, oauth_failure
from shared.errors import PermanentError, SynclineError, TransientError


@pytest.mark.parametrize(
    ("codes", "kind", "reason"),
    [
        (("invalid_grant", "invalid_token", "login_required"), GrantEndedError, "authorization"),
        (("invalid_client", "unauthorized_client"), PermanentError, "authorization"),
        (("access_denied", "invalid_scope", "consent_required"), GrantEndedError, "authorization"),
        (("invalid_request", "unsupported_grant_type"), PermanentError, "configuration"),
        (("temporarily_unavailable", "server_error"), TransientError, "source_unavailable"),
        (("slow_down",), TransientError, "rate_limited"),
    ],
)
def test_the_code_of_an_oauth_error_decides(
    codes: tuple[str, ...], kind: type[SynclineError], reason: str
) -> None:
    for code in codes:
        failure = oauth_failure(code)
        assert (type(failure), failure.code) == (kind, reason), code
        assert f"({code})" in str(failure)


def is_not_known(code: str) -> bool:
    return code not in oauth_failures._BY_CODE


@given(code=st.text(max_size=200).filter(is_not_known) | st.sampled_from(["Invalid_Grant", "<b>"]))
def test_a_code_that_is_not_known_asks_for_another_authorization_and_is_not_quoted(
    code: str,
) -> None:
    failure = oauth_failure(code)
    assert (type(failure), failure.code) == (PermanentError, "authorization")
    assert str(failure) == str(oauth_failure("unheard_of"))


def test_whatever_only_a_person_can_mend_says_to_authorize_again() -> None:
    for code in ("invalid_grant", "invalid_client", "access_denied", "invalid_request", "other"):
        assert "authorize the connector again" in str(oauth_failure(code))


def test_telling_a_response_or_an_oauth_error_imports_neither_dlt_nor_a_driver() -> None:
    program = (
        "import sys\n"
        "from shared.connectors import http_failures, oauth_failures\n"
        "print([m for m in ('dlt', 'psycopg2', 'pymysql', 'requests') if m in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"
