"""Checks that need to know what went in: texts, ids, prompts.

The rule: rows are found by sample_id, which is computed from what went in, so that a row that is lost, added or
changed is a difference even without its text.
"""
from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import realsets
from checks import Dataset, Difference, Row, show, want
from corpus import SPECIAL, Expected
from prompts import Reference
from realsets import RealSet


def by_id(d: Dataset, expected: list[Expected]) -> list[tuple[str, Row, Expected]]:
    rows = {row["sample_id"]: row for row in d.rows()}
    due = {e.sample_id: e for e in expected}
    for missing in due.keys() - rows.keys():
        raise Difference(f"sample {due[missing].source_id} ({missing}) went in and is in no shard")
    for added in rows.keys() - due.keys():
        raise Difference(f"sample {rows[added]['source_id']} ({added}) is in a shard and never went in")
    return [(f"sample {e.source_id} ({i})", rows[i], e) for i, e in due.items()]


def values(d: Dataset, expected: list[Expected]) -> str:
    """What stands in a row is what went in, character by character."""
    for where, row, e in by_id(d, expected):
        for column in ("source_id", "data_source", "answers"):
            want(where, column, row[column], getattr(e, column))
        if not d.lean:
            for column, due in (("question", e.question), ("context", e.context), ("response", e.response), ("messages", e.messages_text)):
                want(where, column, row[column], due)
            want(where, "meta", row["meta"] and json.loads(row["meta"]), e.meta)
    text = "ids, task and answers" if d.lean else "question, context, answers, response, messages, meta, ids and task"
    return f"{len(expected)} samples: {text} are what went in (NUL, CRLF, non-NFC, 4-byte characters); sample_id is the content hash"


def drops(d: Dataset, due: dict[str, int]) -> str:
    found: Counter[str] = Counter()
    for ledger in d.manifest["ledger"]:
        want(f"ledger of {ledger['stage']}", "in", ledger["in"], ledger["kept"] + sum(ledger["drops"].values()))
        found.update(ledger["drops"])
    want("ledger", "drops", dict(found), due)
    return f"the ledgers balance, and dropped {due}"


def prompts(d: Dataset, reference: Reference, expected: list[Expected], parse: bool) -> str:
    """Ids and prompts, both ways. As plain text a document's special tokens have other ids than the reference's."""
    compared = 0
    for where, row, e in by_id(d, expected):
        text, ids = reference.prompt(e.question, e.context, e.messages), row["prompt_tokens"]
        want(where, "decoded prompt", reference.decode(ids), reference.normal(text))
        if parse or SPECIAL not in e.context:
            want(where, "ids of the prompt", ids, reference.encode(text))
            compared += 1
        else:
            clean = reference.prompt("", "", None)
            special = reference.tokenizer.token_to_id(SPECIAL)
            want(where, f"{SPECIAL} in the ids", ids.count(special), reference.encode(clean).count(special))
        due = e.response and [*reference.encode(e.response), reference.eos]
        want(where, "response_tokens", row["response_tokens"], due)
    forged = "a document's special tokens get their ids, as in Hugging Face" if parse else "a document cannot forge special tokens"
    return f"decoding gives the rendered prompt in {len(expected)} samples, Hugging Face encodes it to the same ids in {compared}; {forged}"


def real_values(d: Dataset, known: RealSet, folder: Path) -> str:
    """Real sets: the samples are those that the files hold, read apart from the program."""
    due = known.read(folder)
    found = Counter((r["question"], r["context"], tuple(r["answers"])) for r in d.rows("question", "context", "answers"))
    for what, lacking in (("went in and is in no shard", Counter(due) - found), ("is in a shard and never went in", found - Counter(due))):
        for question, context, answers in lacking:
            raise Difference(f"a sample {what}: question {show(question)}, answers {show(answers)}, context {show(context)}")
    return f"question, context and answers of {len(due)} samples are what the files hold"


def real_prompts(d: Dataset, reference: Reference) -> str:
    """Real sets: the prompt is rendered from the row's own text."""
    n = 0
    for shard in d.shards:
        for i, row in enumerate(d.table(shard).select(["question", "context", "prompt_tokens"]).to_pylist()):
            where, text = f"{shard['path']}, row {i}", reference.prompt(row["question"], row["context"], None)
            want(where, "decoded prompt", reference.decode(row["prompt_tokens"]), reference.normal(text))
            want(where, "ids of the prompt", row["prompt_tokens"], reference.encode(text))
            n += 1
    return f"decoding gives the rendered prompt, and Hugging Face encodes it to the same ids, in {n} samples"
