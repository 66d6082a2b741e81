"""`make rekey`: seal all secrets with the newest key, so that older ones can be taken away."""

import argparse
import sys

from sqlalchemy.exc import SQLAlchemyError

from infra.operate.operator import who
from shared.config import read_database_url, read_key_settings
from shared.errors import ConfigurationError, SynclineError
from shared.flow.rekey import Rekeyed, rekey
from shared.logs import configure_logging
from shared.store.engine import create_engine_for
from shared.wiring import open_key

_FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Print what was sealed anew and which keys are in use; return 0 if only the newest one is.

    Otherwise, and after trouble, it returns 1; doing it again goes on where it stopped.
    """
    argparse.ArgumentParser(
        prog="rekey", description="Seal all secrets with the newest key."
    ).parse_args(arguments)
    configure_logging("text", service="rekey", project="")
    try:
        key = open_key(read_key_settings())
        if key is None:
            raise ConfigurationError("Set SYNCLINE_KMS_KEY or SYNCLINE_KEY_FILE.")
        engine = create_engine_for(
            read_database_url(),
            pool_size=1,
            application_name="syncline-rekey",
            is_operator=True,
        )
        done = rekey(engine, key, by=who())
    except SynclineError as error:
        return _fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        # A driver's own text quotes the URL.
        return _fail(f"The database did not do it ({type(error).__name__}).")
    sys.stdout.write(_report(done))
    return _FAILED if done.lagging else 0


def _report(done: Rekeyed) -> str:
    lines = [f"{done.resealed} sealed anew with key {done.newest}; {done.failed} do not open."]
    lines += [f"{count} sealed with key {version}." for version, count in done.seals.items()]
    if done.lagging:
        lines.append(f"{done.lagging} still need an older key: keep it, and run this again.")
    else:
        lines.append("No older key is needed any more.")
    return "".join(f"{line}\n" for line in lines)


def _fail(sentence: str) -> int:
    sys.stderr.write(f"rekey: {sentence}\n")
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
