"""The work of `pipeline build`, done the way people do it in Python today. One process, one engine.

usage: engines.py ENGINE IN.jsonl TOKENIZER.json OUT_DIR

The rule: JSONL -> prompt -> Qwen2.5 ids -> three phases -> zstd Parquet with id, answer, input_ids, n_tokens. It prints
one JSON line with its own wall and CPU seconds, counted from the first import of a library to the last file.
"""
from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

EDGES = (20_000, 60_000, 120_000)
TEMPLATE = (
    "Please read the following text and answer the question below.\n\n<text>\n$DOC$\n</text>\n\n$Q$\n\n"
    'Format your response as follows: "Therefore, the answer is (insert answer here)".'
)
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
ROWS = 64  # read and encoded at a time
MAP_ROWS = 32  # the same for Hugging Face datasets
PROCESSES = 2

Encode = Callable[[list[str]], list[Any]]


def prompt(context: str, question: str) -> str:
    """The prompt template inside Qwen2.5's chat template."""
    user = TEMPLATE.replace("$Q$", question.strip(), 1).replace("$DOC$", context.strip(), 1)
    return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def phase(n: int) -> int:
    """Index of the phase whose range (low, high] holds n; -1 over the last."""
    return next((i for i, edge in enumerate(EDGES) if n <= edge), -1)


def shard(out: str, index: int) -> str:
    return f"{out}/phase-{index + 1}.parquet"


def batches(source: str) -> Iterator[list[dict[str, str]]]:
    import orjson

    with open(source, "rb") as f:
        while chunk := list(islice(f, ROWS)):
            yield [orjson.loads(line) for line in chunk]


def by_hand(source: str, out: str, encode: Encode) -> None:
    """orjson, an encoder of batches, and pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.string()), ("answer", pa.string()), ("input_ids", pa.list_(pa.int32())), ("n_tokens", pa.int32())])
    writers = [pq.ParquetWriter(shard(out, p), schema, compression="zstd") for p in range(len(EDGES))]
    for records in batches(source):
        ids = encode([prompt(r["context"], r["question"]) for r in records])
        rows: list[list[tuple[str, str, Any]]] = [[] for _ in EDGES]
        for r, x in zip(records, ids):
            if (p := phase(len(x))) >= 0:
                rows[p].append((r["id"], r["answer"], x))
        for writer, kept in zip(writers, rows):
            if kept:
                columns = [
                    pa.array([r[0] for r in kept]), pa.array([r[1] for r in kept]),
                    pa.array([r[2] for r in kept], pa.list_(pa.int32())), pa.array([len(r[2]) for r in kept], pa.int32()),
                ]
                writer.write_table(pa.table(columns, schema=schema))
    for writer in writers:
        writer.close()


def hand_tokenizers(source: str, tokenizer: str, out: str) -> None:
    from tokenizers import Tokenizer

    t = Tokenizer.from_file(tokenizer)
    by_hand(source, out, lambda texts: [e.ids for e in t.encode_batch_fast(texts, add_special_tokens=False)])


def hand_fastokens(source: str, tokenizer: str, out: str) -> None:
    import fastokens
    import numpy as np

    t = fastokens.Tokenizer.from_file(tokenizer)

    def array(values: Any, kind: type) -> Any:
        return np.frombuffer(values, kind) if isinstance(values, (bytes, memoryview)) else np.asarray(values)

    def encode(texts: list[str]) -> list[Any]:
        flat = t.encode_batch_flat(texts)
        ids, offsets = array(flat[0], np.uint32), array(flat[1], np.uint64).astype(np.int64)
        if len(offsets) == len(texts):  # lengths, not offsets
            offsets = np.concatenate([[0], np.cumsum(offsets)])
        return [ids[offsets[i]:offsets[i + 1]].astype(np.int32) for i in range(len(texts))]

    by_hand(source, out, encode)


def hf_datasets(source: str, tokenizer: str, out: str) -> None:
    os.environ.update(HF_HOME=f"{out}/cache", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
    from datasets import Features, Sequence, Value, load_dataset
    from tokenizers import Tokenizer

    t = Tokenizer.from_file(tokenizer)

    def encode(b: dict[str, list[str]]) -> dict[str, list[Any]]:
        texts = [prompt(c, q) for c, q in zip(b["context"], b["question"])]
        ids = [e.ids for e in t.encode_batch_fast(texts, add_special_tokens=False)]
        return {"id": b["id"], "answer": b["answer"], "input_ids": ids, "n_tokens": [len(i) for i in ids], "phase": [phase(len(i)) for i in ids]}

    features = Features({"id": Value("string"), "answer": Value("string"), "input_ids": Sequence(Value("int32")),
                         "n_tokens": Value("int32"), "phase": Value("int32")})
    d = load_dataset("json", data_files=source, split="train")
    d = d.map(encode, batched=True, batch_size=MAP_ROWS, writer_batch_size=MAP_ROWS, num_proc=PROCESSES,
              remove_columns=d.column_names, features=features)
    for p in range(len(EDGES)):
        kept = d.filter(lambda ph, p=p: [x == p for x in ph], batched=True, input_columns=["phase"], num_proc=PROCESSES)
        kept.to_parquet(shard(out, p), batch_size=ROWS)


ENGINES: dict[str, Callable[[str, str, str], None]] = {
    "hf-datasets": hf_datasets, "hand-tokenizers": hand_tokenizers, "hand-fastokens": hand_fastokens,
}


def cpu_seconds() -> float:
    return sum(r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def main() -> None:
    engine, source, tokenizer, out = sys.argv[1:5]
    start, cpu = time.perf_counter(), cpu_seconds()
    ENGINES[engine](source, tokenizer, out)
    print(json.dumps({"wall_s": time.perf_counter() - start, "cpu_s": cpu_seconds() - cpu}))


if __name__ == "__main__":
    main()
