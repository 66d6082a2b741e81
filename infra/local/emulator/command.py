"""The command line of a server: its common options, and its end in one sentence."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from infra.local.emulator.errors import ApiError
from infra.local.emulator.server import ServerOptions
from shared.errors import ConfigurationError
from shared.logs import configure_logging

_LAST_PORT = 65_535


def server_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every server."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument(
        "--port", type=port_number, default=0, help="of gRPC; 0, the default, is any"
    )
    parser.add_argument("--control-port", type=port_number, default=0, help="of HTTP; 0 is any")
    parser.add_argument(
        "--key-file",
        type=Path,
        default=Path(".local/identity.pem"),
        help="signs the OIDC tokens; made if it is not there (default: %(default)s)",
    )
    return parser


def server_options(parsed: argparse.Namespace) -> ServerOptions:
    """Return what the options of every server say."""
    return ServerOptions(parsed.port, parsed.control_port, parsed.key_file)


def run_server(service: str, serve: Callable[[], Coroutine[None, None, None]]) -> int:
    """Serve until the end; return 1, with one sentence on standard error, if that cannot be."""
    configure_logging("text", service=service, project="local")
    try:
        asyncio.run(serve())
    except (ConfigurationError, ApiError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def port_number(text: str) -> int:
    """Return the port that an argument names, 0 for any; for argparse."""
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to {_LAST_PORT}")
    return int(text)
