"""Command line of the local Cloud KMS: `python -m infra.local.cloud_kms -h`."""

import sys
from collections.abc import Sequence

from infra.local.cloud_kms.server import serve
from infra.local.emulator.command import run_server, server_options, server_parser
from infra.local.emulator.server import stop_requested


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; return 1, with one sentence on standard error, if that cannot be."""
    parsed = server_parser("infra.local.cloud_kms", __doc__).parse_args(arguments)

    async def work() -> None:
        await serve(server_options(parsed), stop_requested())

    return run_server("cloud-kms", work)


if __name__ == "__main__":
    sys.exit(main())
