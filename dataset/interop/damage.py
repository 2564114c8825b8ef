"""Proves that each check can fail: breaks a good dataset in one place at a time, and looks for the check that notices.

The rule: a damage is what a broken writer or reader would make, and the first check to notice it must be the one that
is meant to.
"""
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import content
import pyarrow as pa
from checks import CHECKS, Dataset, Difference
from corpus import DROPS, Expected
from prompts import Reference
from readers import READERS, Read

Damage = Callable[[Dataset], None]


def change(column: str, value: Callable[[Any], Any], kind: str = "rl", readers: tuple[str, ...] = tuple(READERS)) -> Damage:
    """Another value in one row of the first shard of a kind, as some readers see it."""
    def apply(d: Dataset) -> None:
        shard = next(s for s in d.shards if s["kind"] == kind)
        for name in readers:
            read = d.reads[shard["path"]][name]
            values = read.table.column(column).to_pylist()
            values[1] = value(values[1])
            place = read.table.column_names.index(column)
            old = read.table.schema.field(column)
            table = read.table.set_column(place, old, pa.array(values, old.type))
            d.reads[shard["path"]][name] = Read(read.rows, read.types, table)
    return apply


def one_row_less(d: Dataset) -> None:
    for read in d.reads[d.shards[0]["path"]].values():
        read.table = read.table.slice(1)


def other_type(d: Dataset) -> None:
    d.reads[d.shards[0]["path"]]["polars"].types["prompt_length"] = "Int64"


def another_file(d: Dataset) -> None:
    d.shards[0]["sha256"] = "0" * 64


def twin(d: Dataset) -> None:
    """A row in the place of its neighbour, whose number of tokens the manifest is made to forget."""
    shard = d.shards[0]
    for read in d.reads[shard["path"]].values():
        read.table = pa.concat_tables([read.table.slice(1, 1), read.table.slice(1)])
    table = d.table(shard)
    shard["tokens"] = sum(len(x) for x in table.column("prompt_tokens").to_pylist())


def nullable_column(d: Dataset) -> None:
    """The same values in a column that may hold NULL."""
    read = d.reads[d.shards[0]["path"]]["pyarrow"]
    i = read.table.column_names.index("sample_id")
    read.table = read.table.set_column(i, pa.field("sample_id", pa.string()), read.table.column(i))


def other_drops(d: Dataset) -> None:
    d.manifest["ledger"][0]["drops"]["duplicate"] += 1


# damage -> the check that must notice it first
DAMAGES: list[tuple[str, str, Damage]] = [
    ("another sha256 in the manifest", "files", another_file),
    ("a row less", "counts", one_row_less),
    ("another type", "schema", other_type),
    ("a column that may hold NULL", "schema", nullable_column),
    ("one reader sees another id", "agreement", change("prompt_tokens", lambda x: [*x[:-1], x[-1] + 1], readers=("DuckDB",))),
    ('one reader sees "" for NULL', "agreement", change("response", lambda _: "", readers=("datasets",))),
    ('"" for NULL', "nulls", change("meta", lambda _: "")),
    ("a response in an RL sample", "nulls", change("response", lambda _: "yes")),
    ("no response_tokens in an SFT sample", "nulls", change("response_tokens", lambda _: None, "sft")),
    ("prompt_length one more", "lengths", change("prompt_length", lambda n: n + 1)),
    ("a token less in a response", "lengths", change("response_tokens", lambda x: x[1:], "sft")),
    ("another phase", "phases", change("phase", lambda p: p + 1)),
    ("a row twice", "unique", twin),
    ("another answer", "values", change("answers", lambda a: [*a, "more"])),
    ("a space less in a context", "values", change("context", lambda c: c[:-1])),
    ("another sample_id", "values", change("sample_id", lambda i: i[::-1])),
    ("a drop more in the ledger", "drops", other_drops),
    ("another id of the same number", "prompts", change("prompt_tokens", lambda x: [*x[:40], x[40] + 1, *x[41:]])),
    ("another id in a response", "prompts", change("response_tokens", lambda x: [x[0] + 1, *x[1:]], "sft")),
]


def first_to_notice(d: Dataset, reference: Reference, expected: list[Expected]) -> str:
    more: list[tuple[str, Callable[[], str]]] = [
        ("values", lambda: content.values(d, expected)), ("drops", lambda: content.drops(d, DROPS)),
        ("prompts", lambda: content.prompts(d, reference, expected, parse=False)),
    ]
    for name, check in [(c.__name__, lambda c=c: c(d)) for c in CHECKS] + more:
        try:
            check()
        except Difference:
            return name
    return "none"


def prove(d: Dataset, reference: Reference, expected: list[Expected]) -> str:
    """Breaks what was read of the dataset, never its files."""
    good_reads, good_manifest = d.reads, d.manifest
    for what, check, damage in DAMAGES:
        d.manifest = copy.deepcopy(good_manifest)
        d.reads = {p: {n: Read(r.rows, dict(r.types), r.table) for n, r in reads.items()} for p, reads in good_reads.items()}
        damage(d)
        if (got := first_to_notice(d, reference, expected)) != check:
            raise Difference(f"damage {what!r}: noticed by {got}, not by {check}")
    d.reads, d.manifest = good_reads, good_manifest
    return f"{len(DAMAGES)} damages, one at a time, are each noticed by the check that is meant to"
