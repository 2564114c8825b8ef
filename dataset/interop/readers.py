"""The four programs that must read a shard, each with its own answer for rows, types and values.

The rule: each reads the file by itself; only what it has read is turned into an Arrow table, so that values can be
compared.
"""
from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import datasets
import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

datasets.disable_progress_bars()


@dataclass
class Read:
    """What one reader says of one shard."""
    rows: int
    types: dict[str, str]  # column -> type, in the reader's own words
    table: pa.Table


def by_pyarrow(path: Path) -> Read:
    table = pq.ParquetFile(path).read()
    return Read(pq.ParquetFile(path).metadata.num_rows, {f.name: str(f.type) for f in table.schema}, table)


def by_duckdb(path: Path) -> Read:
    with duckdb.connect() as db:
        source = f"read_parquet('{path}')"
        types = {name: kind for name, kind, *_ in db.sql(f"describe select * from {source}").fetchall()}
        rows = db.sql(f"select count(*) from {source}").fetchall()[0][0]
        return Read(rows, types, db.sql(f"select * from {source}").to_arrow_table())


def by_polars(path: Path) -> Read:
    frame = polars.read_parquet(path, use_pyarrow=False)
    return Read(frame.height, {name: str(kind) for name, kind in frame.schema.items()}, frame.to_arrow())


def by_datasets(path: Path) -> Read:
    with tempfile.TemporaryDirectory() as cache:
        d = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
        types = {name: feature_name(kind) for name, kind in d.features.items()}
        return Read(d.num_rows, types, pa.table(d.with_format("arrow")[:]))


def feature_name(feature: object) -> str:
    if isinstance(feature, datasets.Value):
        return feature.dtype
    return f"List({feature_name(feature.feature)})"


READERS: dict[str, Callable[[Path], Read]] = {
    "pyarrow": by_pyarrow, "DuckDB": by_duckdb, "polars": by_polars, "datasets": by_datasets,
}

# The words of each reader for the three kinds of columns.
TYPES: dict[str, dict[str, str]] = {
    "pyarrow": {"text": "string", "texts": "list<element: string not null>", "ids": "list<element: int32 not null>", "int": "int32"},
    "DuckDB": {"text": "VARCHAR", "texts": "VARCHAR[]", "ids": "INTEGER[]", "int": "INTEGER"},
    "polars": {"text": "String", "texts": "List(String)", "ids": "List(Int32)", "int": "Int32"},
    "datasets": {"text": "string", "texts": "List(string)", "ids": "List(int32)", "int": "int32"},
}


def column_sum(column: pa.ChunkedArray) -> str:
    """A checksum of a column that depends on its values and NULLs alone, not on chunks, offsets or Arrow types."""
    h = hashlib.sha256(json.dumps(column.is_null().to_pylist()).encode())
    if is_ids(column.type):
        h.update(json.dumps([n for c in column.chunks for n in c.value_lengths().to_pylist()]).encode())
        for chunk in column.chunks:
            h.update(chunk.flatten().to_numpy(zero_copy_only=False).astype("<i4").tobytes())
        return h.hexdigest()
    for value in column.to_pylist():
        h.update(json.dumps(value).encode() + b"\n")
    return h.hexdigest()


def is_ids(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_int32(kind.value_type)


def sums(table: pa.Table) -> dict[str, str]:
    return {name: column_sum(table.column(name)) for name in table.column_names}
