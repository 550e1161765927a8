"""Tables of numbers as CSV files with a header."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robot_rl.atomic_file import write_text
from robot_rl.errors import RunError

Row = dict[str, int | float | str | None]


def read_rows(path: Path) -> list[Row]:
    """Return the lines of a CSV file with a header: numbers as numbers, empty cells as None.

    A file that does not exist has no lines. A last line that was cut off by a crash is left out.

    Raises:
        RunError: If it is not text.
    """
    if not path.exists():
        return []
    try:
        whole_lines = path.read_text().rpartition("\n")[0]
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged ({error}); move it away to go on without it") from error
    return [{key: _cell(text) for key, text in line.items()} for line in csv.DictReader(io.StringIO(whole_lines))]


def _cell(text: str | None) -> int | float | str | None:
    for kind in (int, float):
        try:
            return kind(text or "")
        except ValueError:
            continue
    return text or None


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Replace a CSV file; its columns are `columns` and then the rows' other keys in order of first appearance."""
    names = list(dict.fromkeys((*columns, *(key for row in rows for key in row))))
    write_text(path, format_rows(rows, names, header=True))


def format_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, header: bool = False) -> str:
    """Return rows as CSV text; a row without a column leaves its cell empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
