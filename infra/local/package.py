"""Builds the zip of each function: `main.py` at the root beside `shared/` and its requirements.

The bytes depend on the files alone, so an unchanged function has an unchanged hash.
"""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

FUNCTIONS = ("dispatcher", "worker", "oauth_callback", "api")

_ROOT = Path(__file__).resolve().parents[2]
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip knows no earlier time
_PLAIN_FILE = 0o100644 << 16


def build(function: str, folder: Path, root: Path = _ROOT) -> Path:
    """Write `folder`/`function`.zip from the sources under `root`, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{function}.zip"
    with zipfile.ZipFile(target, "w") as bundle:
        for name, source in sorted(_contents(function, root)):
            entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
            entry.external_attr = _PLAIN_FILE
            bundle.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return target


def _contents(function: str, root: Path) -> Iterator[tuple[str, Path]]:
    yield "main.py", root / "functions" / function / "main.py"
    yield "requirements.txt", root / "requirements.txt"
    for path in (root / "shared").rglob("*"):
        name = path.relative_to(root)
        unwanted = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if path.is_file() and not unwanted:
            yield name.as_posix(), path


def main() -> int:
    """Build all four under build/ and say how large they are."""
    for function in FUNCTIONS:
        target = build(function, _ROOT / "build")
        print(f"build/{target.name}  {target.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
