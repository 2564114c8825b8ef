"""The checks on one dataset, each a function that returns the line to print or raises Difference.

The rule: a check compares with the manifest, with what went in, or with another reader, and names shard, column and
row of the first difference.
"""
from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from readers import READERS, TYPES, Read, sums

Row = dict[str, Any]

# Columns of a shard: kind of values, and whether NULL may stand there.
LEAN: dict[str, tuple[str, bool]] = {
    "sample_id": ("text", False), "source_id": ("text", True), "source": ("text", False), "data_source": ("text", True),
    "answers": ("texts", False), "prompt_tokens": ("ids", False), "prompt_length": ("int", False), "response_tokens": ("ids", True),
    "question_context_length": ("int", True), "phase": ("int", False),
}
TEXT: dict[str, tuple[str, bool]] = {
    "question": ("text", False), "context": ("text", False), "response": ("text", True), "messages": ("text", True), "meta": ("text", True),
}
OPTIONAL_TEXT = ("source_id", "data_source", "response", "messages", "meta")


class Difference(Exception):
    """Two things that must be equal are not."""


@dataclass
class Dataset:
    """A built dataset: its manifest, and what every reader says of every shard."""
    dir: Path
    lean: bool
    manifest: dict[str, Any] = field(init=False)
    reads: dict[str, dict[str, Read]] = field(init=False)  # [shard path][reader]

    def __post_init__(self) -> None:
        self.manifest = json.loads((self.dir / "manifest.json").read_text())
        self.reads = {}

    @property
    def shards(self) -> list[dict[str, Any]]:
        return self.manifest["shards"]

    @property
    def columns(self) -> dict[str, tuple[str, bool]]:
        return LEAN if self.lean else LEAN | TEXT

    def read(self) -> None:
        for shard in self.shards:
            self.reads[shard["path"]] = {name: read(self.dir / shard["path"]) for name, read in READERS.items()}

    def table(self, shard: dict[str, Any]) -> pa.Table:
        return self.reads[shard["path"]]["pyarrow"].table

    def rows(self, *columns: str) -> list[Row]:
        return [row for s in self.shards for row in self.table(s).select(list(columns) or list(self.columns)).to_pylist()]


def want(where: str, what: str, got: object, expected: object) -> None:
    if got != expected:
        raise Difference(f"{where}: {what}: got {show(got)}, want {show(expected)}")


def show(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:100] + " ... " + text[-80:]


def files(d: Dataset) -> str:
    """The shards on disk are those of the manifest, byte for byte."""
    found = sorted(str(p.relative_to(d.dir)) for p in d.dir.rglob("*.parquet"))
    want(d.dir.name, "shards on disk", found, sorted(s["path"] for s in d.shards))
    for s in d.shards:
        want(s["path"], "sha256", hashlib.sha256((d.dir / s["path"]).read_bytes()).hexdigest(), s["sha256"])
    return f"{len(found)} shards are those of the manifest, with their sha256"


def counts(d: Dataset) -> str:
    for s in d.shards:
        for name, r in d.reads[s["path"]].items():
            want(s["path"], f"rows that {name} counts", r.rows, s["rows"])
            want(s["path"], f"rows that {name} reads", r.table.num_rows, s["rows"])
    return f"{', '.join(READERS)} each count and read {sum(s['rows'] for s in d.shards)} rows, shard by shard, as the manifest says"


def schema(d: Dataset) -> str:
    for s in d.shards:
        path = s["path"]
        for f in d.table(s).schema:
            want(path, f"NULL allowed in {f.name}", f.nullable, d.columns.get(f.name, ("", None))[1])
        for name, r in d.reads[path].items():
            want(path, f"types by {name}", r.types, {c: TYPES[name][kind] for c, (kind, _) in d.columns.items()})
    ids, nullable = TYPES["pyarrow"]["ids"], [c for c, (_, null) in d.columns.items() if null]
    return f"{len(d.columns)} columns with their types in every reader (prompt_tokens: {ids}); NULL allowed in {', '.join(nullable)} alone"


def agreement(d: Dataset) -> str:
    h = hashlib.sha256()
    for s in d.shards:
        reads = d.reads[s["path"]]
        first = sums(reads["pyarrow"].table)
        h.update(json.dumps(first, sort_keys=True).encode())
        for name, r in reads.items():
            for column, got in sums(r.table).items():
                want(f"{s['path']}, column {column}", f"checksum by {name}", got, first[column])
    return f"the four readers agree on every value and NULL (checksum {h.hexdigest()[:16]})"


def nulls(d: Dataset) -> str:
    """An absent text is NULL, never ""; responses are there in SFT shards alone."""
    seen: Counter[str] = Counter()
    for s in d.shards:
        for name, r in d.reads[s["path"]].items():
            for column, (_, null) in d.columns.items():
                values = r.table.column(column)
                if not null:
                    want(s["path"], f"NULLs that {name} reads in {column}", values.null_count, 0)
                elif column in OPTIONAL_TEXT:
                    want(s["path"], f'"" that {name} reads in {column}', sum(v == "" for v in values.to_pylist()), 0)
                seen[column] += values.null_count if name == "pyarrow" else 0
            for column in {"response", "response_tokens"} & set(d.columns):
                nulls_due = 0 if s["kind"] == "sft" else s["rows"]
                want(s["path"], f"NULLs that {name} reads in {column} of {s['kind']} samples", r.table.column(column).null_count, nulls_due)
    return 'NULL is NULL and never "": ' + ", ".join(f"{seen[c]} in {c}" for c, (_, null) in d.columns.items() if null)


def lengths(d: Dataset) -> str:
    for s in d.shards:
        tokens = 0
        for i, row in enumerate(d.table(s).select(["prompt_tokens", "prompt_length", "response_tokens"]).to_pylist()):
            want(f"{s['path']}, row {i}", "prompt_length", row["prompt_length"], len(row["prompt_tokens"]))
            tokens += len(row["prompt_tokens"]) + len(row["response_tokens"] or [])
        want(s["path"], "tokens", tokens, s["tokens"])
    return f"prompt_length == len(prompt_tokens) in every row; {sum(s['tokens'] for s in d.shards)} tokens as the manifest says"


def phases(d: Dataset) -> str:
    totals: Counter[tuple[int, str]] = Counter()
    ranges = {p["phase"]: (p["min"], p["max"]) for p in d.manifest["phases"]}
    bounds = [0, *d.manifest["config"]["bucket"]["phases"]]
    want("manifest", "phase ranges", list(ranges.values()), list(zip(bounds, bounds[1:])))
    for s in d.shards:
        low, high = ranges[s["phase"]]
        want(s["path"], "folder", s["path"].split("/")[:2], ["sft" if s["kind"] == "sft" else "phases", f"phase-{s['phase']}"])
        for i, row in enumerate(d.table(s).select(["phase", "prompt_length"]).to_pylist()):
            want(f"{s['path']}, row {i}", "phase", row["phase"], s["phase"])
            if not low < row["prompt_length"] <= high:
                raise Difference(f"{s['path']}, row {i}: prompt_length {row['prompt_length']} is not in ({low}, {high}]")
        totals[s["phase"], s["kind"]] += s["rows"]
    for p in d.manifest["phases"]:
        want("manifest", f"samples of phase {p['phase']}", (p["samples"], p["sft_samples"]), (totals[p["phase"], "rl"], totals[p["phase"], "sft"]))
    said = ", ".join(f"({a}, {b}] {totals[k, 'rl']} rl + {totals[k, 'sft']} sft" for k, (a, b) in ranges.items())
    return f"every prompt_length is in its phase's range: {said}"


def unique(d: Dataset) -> str:
    ids = Counter(row["sample_id"] for row in d.rows("sample_id"))
    for sample_id, n in ids.items():
        want("dataset", f"rows with sample_id {sample_id}", n, 1)
    return f"sample_id is unique in {len(ids)} rows"


CHECKS = (files, counts, schema, agreement, nulls, lengths, phases, unique)
