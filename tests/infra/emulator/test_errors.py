from grpc import StatusCode

from infra.local.emulator.errors import invalid, not_served


def test_a_refused_argument_has_the_number_of_its_status() -> None:
    error = invalid("No.")
    assert (error.status, error.code, str(error)) == (StatusCode.INVALID_ARGUMENT, 3, "No.")


def test_what_is_not_emulated_names_the_service_and_the_part() -> None:
    error = not_served("Cloud Tasks", "routing")
    assert error.status is StatusCode.UNIMPLEMENTED
    assert error.message == "The local Cloud Tasks does not serve routing."
