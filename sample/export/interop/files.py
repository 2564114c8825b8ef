"""Opens the exported files as their readers do: Hugging Face datasets, and through it TRL and OpenRLHF.

The rule: what is compared comes from another format or from the shards, never from the file itself.
"""
from __future__ import annotations

import json

import pyarrow.parquet as pq
from datasets import load_dataset
from work import Failure, Work, passed

CHAT = [{"role", "content"}]


def run(w: Work) -> None:
    plan = pq.read_table(w.folder / "plan.parquet").to_pylist()
    cache = str(w.folder / "hf-cache")
    sets = {}
    for name, ending in {"verl": "parquet", "trl": "parquet", "hf": "parquet", "openrlhf": "jsonl", "jsonl": "jsonl"}.items():
        kind = "json" if ending == "jsonl" else ending
        for streaming in [False, True]:
            d = load_dataset(kind, data_files=str(w.folder / f"{name}.{ending}"), split="train", cache_dir=cache, streaming=streaming)
            rows = list(d)
            ids = [sample_id(name, r) for r in rows]
            if ids != [e["sample_id"] for e in plan]:
                raise Failure(f"{name}: {len(ids)} samples are not those of the plan, in its order")
        for r in rows:
            if not r["prompt"] or set(r["prompt"][0]) != {"role", "content"}:
                raise Failure(f"{name}: a prompt is {str(r['prompt'])[:200]}")
        sets[name] = rows
        passed(f"datasets: {name}, {len(rows)} rows, also streamed; columns {', '.join(rows[0])}")
    for name, rows in sets.items():
        if [r["prompt"] for r in rows] != [r["prompt"] for r in sets["jsonl"]]:
            raise Failure(f"{name}: other prompts than jsonl")
    for r, o, t in zip(sets["hf"], sets["openrlhf"], sets["trl"]):
        label = json.loads(o["label"])
        if (label["answers"], label["position"]) != (r["answers"], r["position"]) or (t["answers"], t["position"], t["question"]) != (r["answers"], r["position"], r["question"]):
            raise Failure(f"position {r['position']}: answers {r['answers']}, {label['answers']}, {t['answers']}")
        if len(r["prompt_tokens"]) != r["prompt_length"]:
            raise Failure(f"position {r['position']}: {len(r['prompt_tokens'])} ids, prompt_length {r['prompt_length']}")
    passed("all formats hold the same prompts and answers")


def sample_id(name: str, row: dict) -> str:
    if name == "verl":
        return row["extra_info"]["sample_id"]
    if name == "openrlhf":
        return json.loads(row["label"])["sample_id"]
    return row["sample_id"]
