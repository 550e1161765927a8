"""Parquet tables written some rows at a time and read row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from demos.formats.library import need

BUFFERED_ROWS = 32


class RowsWriter:
    """Writes rows of plain values; the first few decide the types."""

    def __init__(self, path: Path, schema: Any = None, compression: str = "snappy") -> None:
        self._arrow, self._parquet = need("pyarrow", "parquet tables"), need("pyarrow.parquet", "parquet tables")
        self._path, self._schema, self._compression = path, schema, compression
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) >= BUFFERED_ROWS:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        table = self._arrow.Table.from_pylist(self._rows, schema=self._schema)
        if self._writer is None:
            self._schema = table.schema
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._parquet.ParquetWriter(self._path, table.schema, compression=self._compression)
        self._writer.write_table(table)
        self._rows.clear()


def read_rows(path: Path, columns: Sequence[str] | None = None, batch_rows: int = 256) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as plain values."""
    with need("pyarrow.parquet", "parquet tables").ParquetFile(path) as file:
        for batch in file.iter_batches(batch_rows, columns=columns):
            yield from batch.to_pylist()


def to_numpy(column: Any, dtype: str | None = None) -> np.ndarray:
    """Return a column of scalars or of (nested) lists of one length as an array [rows, ...]."""
    arrow = need("pyarrow", "parquet tables")
    column = column.combine_chunks() if isinstance(column, arrow.ChunkedArray) else column
    shape, values = [len(column)], column
    while arrow.types.is_nested(values.type):
        inner = values.flatten()
        is_ragged = hasattr(values, "offsets") and len(set(np.diff(values.offsets.to_numpy()).tolist())) > 1
        if is_ragged or not len(values) or len(inner) % len(values):
            raise ValueError(f"rows of a column of {len(column)} differ in length")
        shape.append(len(inner) // len(values))
        values = inner
    array = values.to_numpy(zero_copy_only=False).reshape(shape)
    return array if dtype is None else array.astype(dtype)


def column_type(dtype: str, size: int) -> Any:
    """Return the type of a column of vectors, or of scalars where the size is 1, as LeRobot keeps them."""
    arrow = need("pyarrow", "parquet tables")
    scalar = arrow.bool_() if dtype == "bool" else arrow.from_numpy_dtype(np.dtype(dtype))
    return scalar if size == 1 else arrow.list_(scalar, size)


def column(values: np.ndarray, dtype: str) -> Any:
    """Return rows [T, D] or [T] as a column of `column_type`."""
    arrow = need("pyarrow", "parquet tables")
    values = np.ascontiguousarray(values, dtype).reshape(len(values), -1)
    flat = arrow.array(values.reshape(-1))
    return flat if values.shape[1] == 1 else arrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
