"""Runs the local Cloud Scheduler until SIGTERM or SIGINT.

The first line on standard output is JSON: {"port": 8124, "control_port": 8125}.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from infra.local.cloud_scheduler.server import Options, Ports, serve
from shared.errors import ConfigurationError
from shared.logs import configure_logging


def main() -> int:
    """Serve; return 1 after one sentence on standard error if that cannot be."""
    configure_logging("text", service="cloud-scheduler", project="local")
    try:
        asyncio.run(serve(_options(), _print_ports))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.cloud_scheduler",
        description="Cloud Scheduler on one machine, on loopback only.",
    )
    parser.add_argument("--port", type=_port, default=0, help="gRPC port; 0 takes a free one")
    parser.add_argument("--control-port", type=_port, default=0, help="HTTP port for control")
    parser.add_argument(
        "--key-file",
        type=Path,
        default=Path(".local/identity.pem"),
        help="signs the tokens; made if it is not there (default: %(default)s)",
    )
    given = parser.parse_args()
    return Options(port=given.port, control_port=given.control_port, key_file=given.key_file)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:  # noqa: PLR2004 (the range of TCP)
        raise argparse.ArgumentTypeError(f"{port} is not a port")
    return port


def _print_ports(ports: Ports) -> None:
    print(json.dumps(asdict(ports)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
