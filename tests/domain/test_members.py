import pytest

from shared.domain.members import is_subject, require_email, to_email
from shared.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kari@example.com", "kari@example.com"),
        (" Kari.Nordmann+x@Example.COM ", "kari.nordmann+x@example.com"),
        ("kari@localhost", "kari@localhost"),
        ("kari", None),
        ("kari@", None),
        ("@example.com", None),
        ("a@b@example.com", None),
        ("kari@example..com", None),
        ("kari nordmann@example.com", None),
        ("kari@example.com\n", "kari@example.com"),
        ("kari@exa\nmple.com", None),
        ("k\u00e5ri@example.com", None),
        ("\u212aari@example.com", None),
        ("x" * 65 + "@example.com", None),
        ("kari@" + "x." * 125 + "com", None),
        ("", None),
    ],
)
def test_an_address_has_one_form_or_is_none(text: str, address: str | None) -> None:
    assert to_email(text) == address


def test_an_address_that_a_person_wrote_wrongly_is_refused_without_its_text() -> None:
    with pytest.raises(InvalidInputError) as refused:
        require_email("canary")
    assert refused.value.problems[0].code == "email_form"
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\nb", "\u00e5", None, 7, ["x"]])
def test_what_cannot_be_a_subject_is_none(subject: object) -> None:
    assert not is_subject(subject)


def test_a_subject_is_bounded_and_printable() -> None:
    assert is_subject("auth0|5f7c8ec7c33c6c004bbafe82")
    assert is_subject("x" * 255)
