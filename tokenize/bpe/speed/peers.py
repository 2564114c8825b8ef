"""Bare tokenizer speed of the Python rivals, cold: one pass in a fresh process, like the Go program beside this file.

    peers.py ENGINE in.jsonl TOKENIZER THREADS

ENGINE: tokenizers or fastokens (TOKENIZER is a tokenizer.json), tiktoken (the name of an embedded one, or a rank file that
holds Qwen's). CPU time covers all threads: fastokens uses a second one even when told to use one.
"""
import base64
import json
import os
import sys
import time

engine, source, tokenizer, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
os.environ.update(RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
with open(source, encoding="utf-8") as f:
    docs = [json.loads(line)["context"] for line in f]
mb = sum(len(d.encode()) for d in docs) / 1e6
start = time.perf_counter()
if engine == "tokenizers":
    from tokenizers import Tokenizer

    tok = Tokenizer.from_file(tokenizer)

    def run():
        return sum(len(e.ids) for e in tok.encode_batch_fast(docs, add_special_tokens=False))
elif engine == "fastokens":
    import fastokens

    tok = fastokens.Tokenizer.from_file(tokenizer)

    def run():
        ids = tok.encode_batch_flat(docs)[0]
        return len(ids) // 4 if isinstance(ids, (bytes, memoryview)) else len(ids)
elif engine == "tiktoken":
    import tiktoken

    QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    with open(tokenizer, "rb") as f:
        ranks = {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in f if line.strip()}
    tok = tiktoken.Encoding("qwen", pat_str=QWEN, mergeable_ranks=ranks, special_tokens={})

    def run():
        return sum(len(ids) for ids in tok.encode_ordinary_batch(docs, num_threads=threads))
else:
    sys.exit(f"unknown engine {engine}")
load = time.perf_counter() - start
t0, c0 = time.perf_counter(), time.process_time()
n = run()
wall, cpu = time.perf_counter() - t0, time.process_time() - c0
print(json.dumps({"engine": engine, "threads": threads, "mb": round(mb, 1), "tokens": n, "load_ms": round(load * 1e3, 1), "wall_s": round(wall, 3),
                  "mb_per_s": round(mb / wall, 2), "mb_per_cpu_s": round(mb / cpu, 2)}))
