from pathlib import Path

import pytest

from infra.local.emulator.command import run_server, server_options, server_parser
from infra.local.emulator.errors import invalid
from infra.local.emulator.server import ServerOptions
from shared.errors import ConfigurationError


def test_every_option_has_a_default() -> None:
    options = server_options(server_parser("a.module", None).parse_args([]))
    assert options == ServerOptions(0, 0, Path(".local/identity.pem"))


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_what_is_no_port_is_refused(
    option: str, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        server_parser("a.module", None).parse_args([f"{option}={port}"])
    assert f"'{port}' is no port" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [ConfigurationError("It cannot be."), invalid("It cannot be."), OSError("It cannot be.")],
)
def test_what_cannot_be_served_is_one_sentence_and_1(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.emulator.command.configure_logging", lambda *_, **__: None)

    async def fail() -> None:
        raise error

    assert run_server("cloud-tasks", fail) == 1
    assert capsys.readouterr().err == "It cannot be.\n"
