"""Builds the zip of each function: `main.py` at the root beside `shared/` and its requirements.

The bytes depend on the files alone, so an unchanged function has an unchanged hash. Crash points,
which only tests arm, are taken out; the lines keep their numbers. If one would be left, nothing is
built.
"""

import ast
import re
import sys
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

FUNCTIONS = ("dispatcher", "worker", "oauth_callback", "api")

_ROOT = Path(__file__).resolve().parents[2]
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip knows no earlier time
_PLAIN_FILE = 0o100644 << 16
_IMPORT = re.compile(rb"^from shared\.crash_points import CrashPoint, reach$", re.MULTILINE)
_REACH = re.compile(rb"^( *)reach\(CrashPoint\.[A-Z_]+\)$", re.MULTILINE)
_MODULE = "crash_points"
_REACHED = "reach"
_NAMES = frozenset({_MODULE, "CrashPoint"})


def build(function: str, folder: Path, root: Path = _ROOT) -> Path:
    """Write `folder`/`function`.zip from the sources under `root`, and return its path.

    Raises `ValueError` with file and line for a crash point that cannot be taken out.
    """
    contents = [
        (name, _without_crash_points(source)) for name, source in sorted(_contents(function, root))
    ]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{function}.zip"
    with zipfile.ZipFile(target, "w") as bundle:
        for name, content in contents:
            entry = zipfile.ZipInfo(name, date_time=_EARLIEST)
            entry.external_attr = _PLAIN_FILE
            bundle.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return target


def _without_crash_points(source: Path) -> bytes:
    """Return a file as production runs it; raise `ValueError` for a crash point in another form."""
    content = source.read_bytes()
    if source.suffix != ".py":
        return content
    unbound = _IMPORT.sub(b"", content)
    bare = _REACH.sub(rb"\1pass", unbound)
    # Where nothing was imported, reach is anybody's word.
    names = _NAMES if unbound == content else {*_NAMES, _REACHED}
    lines = [line for node in ast.walk(ast.parse(bare)) if (line := _line_of(node, names))]
    if lines:
        raise ValueError(
            f"{source}:{min(lines)}: this crash point would be left in production:"
            " write reach(CrashPoint.NAME) on a line of its own, and import both by"
            f" from shared.{_MODULE} import CrashPoint, reach."
        )
    return bare


def _line_of(node: ast.AST, names: Collection[str]) -> int | None:
    """Return the line of a node that has to do with crash points; None for all others."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in names:
            return node.lineno
        case ast.alias(name=name) if {_REACHED, *_NAMES} & set(name.split(".")):
            return node.lineno
        case ast.ImportFrom(module=str(name)) if _MODULE in name:
            return node.lineno
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name == _REACHED:
            return node.lineno
        case ast.Constant(value=str(text)) if _MODULE in text:  # it may be an import by name
            return node.lineno
        case _:
            return None


def _contents(function: str, root: Path) -> Iterator[tuple[str, Path]]:
    yield "main.py", root / "functions" / function / "main.py"
    yield "requirements.txt", root / "requirements.txt"
    for path in (root / "shared").rglob("*"):
        name = path.relative_to(root)
        unwanted = any(
            part.startswith(".") or part == "__pycache__" or Path(part).stem == _MODULE
            for part in name.parts
        )
        if path.is_file() and not unwanted:
            yield name.as_posix(), path


def main() -> int:
    """Build all four under build/ and say how large they are, or why they cannot be built."""
    for function in FUNCTIONS:
        try:
            target = build(function, _ROOT / "build")
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"build/{target.name}  {target.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
