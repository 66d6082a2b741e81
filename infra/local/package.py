"""Builds the zip of each function: `main.py` at the root beside `shared/` and its requirements.

The bytes depend on the files alone, so an unchanged function has an unchanged hash. Crash points,
which only tests arm, are taken out; the lines keep their numbers.
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

FUNCTIONS = ("dispatcher", "worker", "oauth_callback", "api")

_ROOT = Path(__file__).resolve().parents[2]
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip knows no earlier time
_PLAIN_FILE = 0o100644 << 16
_IMPORT = re.compile(rb"^from shared\.crash_points import CrashPoint, reach$", re.MULTILINE)
_REACH = re.compile(rb"^( *)reach\(CrashPoint\.[A-Z_]+\)$", re.MULTILINE)
_NAME = b"CrashPoint"


def build(function: str, folder: Path, root: Path = _ROOT) -> Path:
    """Write `folder`/`function`.zip from the sources under `root`, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{function}.zip"
    with zipfile.ZipFile(target, "w") as bundle:
        for name, source in sorted(_contents(function, root)):
            entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
            entry.external_attr = _PLAIN_FILE
            content = _without_crash_points(source)
            bundle.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return target


def _without_crash_points(source: Path) -> bytes:
    """Return a file as production runs it; raise `ValueError` for a crash point in another form."""
    content = source.read_bytes()
    if source.suffix != ".py":
        return content
    content = _REACH.sub(rb"\1pass", _IMPORT.sub(b"", content))
    if _NAME in content:
        raise ValueError(f"{source}: write reach(CrashPoint.NAME) on a line of its own.")
    return content


def _contents(function: str, root: Path) -> Iterator[tuple[str, Path]]:
    yield "main.py", root / "functions" / function / "main.py"
    yield "requirements.txt", root / "requirements.txt"
    for path in (root / "shared").rglob("*"):
        name = path.relative_to(root)
        unwanted = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if path.is_file() and not unwanted and path.name != "crash_points.py":
            yield name.as_posix(), path


def main() -> int:
    """Build all four under build/ and say how large they are."""
    for function in FUNCTIONS:
        target = build(function, _ROOT / "build")
        print(f"build/{target.name}  {target.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
