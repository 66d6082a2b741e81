"""Command line of the local Cloud Tasks: `python -m infra.local.cloud_tasks --port 8123`."""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from infra.local.cloud_tasks.cloud import TASK_TOMBSTONE, Rules, check_starting_queues
from infra.local.cloud_tasks.server import serve
from infra.local.cloud_tasks.task_rules import SHORTEST_DEADLINE, DeadlineRange
from infra.local.emulator.command import run_server, server_options, server_parser
from infra.local.emulator.server import stop_requested


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; return 1, with one sentence on standard error, if that cannot be."""
    parsed = _parser().parse_args(arguments)

    async def work() -> None:
        await serve(server_options(parsed), _rules(parsed), stop_requested())

    return run_server("cloud-tasks", work)


def _parser() -> argparse.ArgumentParser:
    parser = server_parser("infra.local.cloud_tasks", __doc__)
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


def _rules(parsed: argparse.Namespace) -> Rules:
    check_starting_queues(parsed.queue)
    return Rules(
        starting_queues=tuple(dict.fromkeys(parsed.queue)),
        task_tombstone=timedelta(seconds=parsed.tombstone_seconds),
        deadlines=DeadlineRange(shortest=timedelta(seconds=parsed.shortest_deadline_seconds)),
    )


if __name__ == "__main__":
    sys.exit(main())
