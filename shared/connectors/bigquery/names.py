"""Names in BigQuery, as its SQL and its jobs want them."""

import json
import re
from hashlib import sha256

_DIGEST_LETTERS = 12


def quoted(name: str) -> str:
    """Return a column's or table's name as SQL has it, whatever is in it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text: str) -> str:
    """Return a text as SQL has it, whatever is in it; JSON's escapes are among BigQuery's."""
    return json.dumps(text, ensure_ascii=False)


def comparable(column: str, kind: str) -> str:
    """Return what tells the values of a part of a key apart; `column` is as SQL has it.

    A NaN equals no other by `=`, and floating numbers partition nothing: their texts do both.
    """
    return f"CAST({column} AS STRING)" if kind == "FLOAT64" else column


def job_part(text: str) -> str:
    """Return a text as a part of a job's or table's name; different texts stay different."""
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII)[:40]
    return f"{plain}_{sha256(text.encode()).hexdigest()[:_DIGEST_LETTERS]}"
