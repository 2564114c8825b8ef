"""Runs all engines in turn (A B C A B C ...), each time in a fresh process, and prints the side-by-side table.

    table.py --go PROGRAM --python PYTHON --corpus in.jsonl --tokenizer tokenizer.json [--ranks qwen.tiktoken] [--runs 3] [--slow]

Best and median of the runs: on a machine with other work the best says more. --slow adds the engines that take minutes.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

args = argparse.ArgumentParser()
args.add_argument("--go", required=True)
args.add_argument("--python", default=sys.executable)
args.add_argument("--corpus", required=True)
args.add_argument("--tokenizer", required=True)
args.add_argument("--ranks")
args.add_argument("--runs", type=int, default=3)
args.add_argument("--slow", action="store_true")
args = args.parse_args()

peers = [args.python, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.py")]
engines = [(f"bpe ({t} threads)" if t > 1 else "bpe", [args.go, "bpe"], args.tokenizer, t, 1) for t in (1, 2)]
engines += [(f"fastokens ({t} threads)" if t > 1 else "fastokens", [*peers, "fastokens"], args.tokenizer, t, 1) for t in (1, 2)]
if args.ranks:
    engines.append(("tiktoken", [*peers, "tiktoken"], args.ranks, 1, 3))
engines.append(("tokenizers", [*peers, "tokenizers"], args.tokenizer, 1, 3))
engines.append(("bpe, cl100k_base", [args.go, "bpe"], "cl100k_base", 1, 1))
if args.slow:
    engines += [("tiktoken-go, cl100k_base", [args.go, "tiktoken-go"], "cl100k_base", 1, 3), ("hf (daulet/tokenizers)", [args.go, "hf"], args.tokenizer, 1, 3)]

runs = {name: [] for name, *_ in engines}
for i in range(args.runs):
    for name, command, tokenizer, threads, every in engines:
        if i % every:
            continue
        p = subprocess.run([*command, args.corpus, tokenizer, str(threads)], capture_output=True, text=True)
        if p.returncode:
            print(f"{name}: left out: {p.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        runs[name].append(json.loads(p.stdout))

print("| engine | runs | tokens | MB per CPU-second, best (median) | MB per second, best (median) | load, ms |")
print("|---|---|---|---|---|---|")
for name, rows in runs.items():
    if not rows:
        continue

    def show(key):
        values = [r[key] for r in rows]
        return f"{max(values):.1f} ({statistics.median(values):.1f})"

    print(f"| {name} | {len(rows)} | {rows[0]['tokens']:,} | {show('mb_per_cpu_s')} | {show('mb_per_s')} | {min(r['load_ms'] for r in rows):.0f} |")
