"""Run the benchmarks one after the other, or the one that is named: `make bench B=dispatch`."""

import subprocess
import sys

BENCHMARKS = (
    "recurrence",
    "cloud_tasks",
    "dispatch",
    "catch_up",
    "start_lag",
    "fairness",
    "database_sync",
    "many_streams",
    "file_sync",
    "api_pace",
    "pages",
)


def main() -> int:
    """Run them; return 1 if one failed or is not there."""
    wanted = tuple(sys.argv[1:]) or BENCHMARKS
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]}: use {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 1
    failed = 0
    for name in wanted:
        print(f"\n== {name}", flush=True)
        failed |= subprocess.run(
            [sys.executable, "-m", f"tests.benchmarks.{name}"], check=False
        ).returncode
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
