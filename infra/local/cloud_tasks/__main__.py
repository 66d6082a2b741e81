"""Command line of the local Cloud Tasks: `python -m infra.local.cloud_tasks --port 8123`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from infra.local.cloud_tasks.cloud import TASK_TOMBSTONE, Rules, check_starting_queues
from infra.local.cloud_tasks.errors import ApiError
from infra.local.cloud_tasks.server import Options, serve
from infra.local.cloud_tasks.task_rules import SHORTEST_DEADLINE, DeadlineRange
from shared.errors import ConfigurationError
from shared.logs import configure_logging

_LAST_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; return 1, with one sentence on standard error, if that cannot be."""
    try:
        options = _options(_parser().parse_args(arguments))
        configure_logging("text", service="cloud-tasks", project="local")
        asyncio.run(serve(options))
    except (ConfigurationError, ApiError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local.cloud_tasks", description=__doc__)
    parser.add_argument("--port", type=_port, required=True, help="of gRPC; 0 for a free one")
    parser.add_argument("--control-port", type=_port, default=0, help="of HTTP; 0 for a free one")
    parser.add_argument(
        "--key-file", type=Path, default=Path(".local/identity.pem"), help="signs OIDC tokens"
    )
    parser.add_argument(
        "--tombstone-seconds",
        type=float,
        default=TASK_TOMBSTONE.total_seconds(),
        help="how long the name of a finished task stays taken (24 hours)",
    )
    parser.add_argument(
        "--shortest-deadline-seconds",
        type=float,
        default=SHORTEST_DEADLINE.total_seconds(),
        help="smallest dispatch deadline that is accepted; the service has 15 s, tests need less",
    )
    parser.add_argument(
        "--queue",
        action="append",
        default=[],
        metavar="projects/P/locations/L/queues/Q",
        help="a queue that exists from the start; may be repeated",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to {_LAST_PORT}")
    return int(text)


def _options(parsed: argparse.Namespace) -> Options:
    check_starting_queues(parsed.queue)
    rules = Rules(
        starting_queues=tuple(dict.fromkeys(parsed.queue)),
        task_tombstone=timedelta(seconds=parsed.tombstone_seconds),
        deadlines=DeadlineRange(shortest=timedelta(seconds=parsed.shortest_deadline_seconds)),
    )
    return Options(parsed.port, parsed.control_port, parsed.key_file, rules)


if __name__ == "__main__":
    sys.exit(main())
