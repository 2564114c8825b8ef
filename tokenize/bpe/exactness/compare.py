"""Holds the ids of package bpe against those of tokenizers and tiktoken, on real text and on random strings.

    compare.py --go PROGRAM --work FOLDER [--mb 50] [--random 1000000] [--only WORD]

PROGRAM is the Go program beside this file, FOLDER takes what is made on the way. Prints a table tokenizer x corpus, equal / total,
and the first differences; exits 1 if there is one. $PIPELINE_REAL_DATA adds real data sets and real tokenizers.
"""
import argparse
import json
import os
import struct
import subprocess
import sys
import threading
import time

import layouts
import nasty
import numpy as np

CORPORA = {"real": 0.3, "prose": 0.3, "code": 0.2, "scripts": 0.2}  # shares of --mb; the first is as much as there is


class Go:
    """The Go program, asked for one batch of texts at a time."""

    def __init__(self, program, tokenizer):
        self.p = subprocess.Popen([program, tokenizer], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, texts):
        data = b"".join(struct.pack("<I", len(b)) + b for b in (t.encode() for t in texts))

        def feed():
            self.p.stdin.write(data)
            self.p.stdin.flush()

        threading.Thread(target=feed, daemon=True).start()
        out = []
        for _ in texts:
            head = self.p.stdout.read(4)
            if len(head) < 4:
                sys.exit(f"the Go program ended: {self.p.wait()}")
            out.append(np.frombuffer(self.p.stdout.read(4 * struct.unpack("<I", head)[0]), dtype=np.int32))
        return out

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def batches(texts, size=4_000_000):
    batch, n = [], 0
    for t in texts:
        batch.append(t)
        n += len(t) + 50
        if n > size:
            yield batch
            batch, n = [], 0
    if batch:
        yield batch


def compare(go, reference, texts, name):
    """Equal texts, all texts, and prints the first few that differ."""
    equal = total = 0
    for batch in batches(texts):
        for text, got, want in zip(batch, go(batch), reference(batch)):
            total += 1
            want = np.asarray(want, dtype=np.int32)
            if len(got) == len(want) and (got == want).all():
                equal += 1
            elif total - equal < 4:
                n = min(len(got), len(want))
                at = int(np.argmax(np.append(got[:n] != want[:n], True)))
                print(f"  {name}: {ascii(text[:120])}: from id {at} on {got[at:at + 6]}, want {want[at:at + 6]}", flush=True)
    return equal, total


def corpora(work, mb):
    here = os.path.dirname(os.path.abspath(__file__))
    for name, share in CORPORA.items():
        if name == "real" and "PIPELINE_REAL_DATA" not in os.environ:
            print("real: set $PIPELINE_REAL_DATA for real data sets", flush=True)
            continue
        path = os.path.join(work, name + ".jsonl")
        if not os.path.exists(path):
            subprocess.check_call([sys.executable, here + "/corpus.py", name, str(mb * share), path])
        with open(path, encoding="utf-8") as f:
            yield name, [json.loads(line)["context"] for line in f]


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--go", required=True)
    args.add_argument("--work", required=True)
    args.add_argument("--mb", type=float, default=50)
    args.add_argument("--random", type=int, default=1_000_000)
    args.add_argument("--only", default="")
    args = args.parse_args()
    os.makedirs(args.work, exist_ok=True)
    texts = dict(corpora(args.work, args.mb))
    texts["random"] = nasty.strings(args.random)
    real = os.environ.get("PIPELINE_REAL_DATA")
    size = {n: sum(len(t.encode()) for t in ts) / 1e6 for n, ts in texts.items()}
    print("| tokenizer | " + " | ".join(f"{n} ({size[n]:.0f} MB)" for n in texts) + " | seconds |")
    print("|---" * (len(texts) + 2) + "|", flush=True)
    wrong = 0
    for name, argument, reference in layouts.all_layouts(args.work, real and real + "/tokenizers"):
        if args.only not in name:
            continue
        go, start, row = Go(args.go, argument), time.time(), []
        for corpus, ts in texts.items():
            equal, total = compare(go, reference, ts, f"{name}, {corpus}")
            row.append(f"{equal:,} / {total:,}")
            wrong += total - equal
        go.close()
        print(f"| {name} | " + " | ".join(row) + f" | {time.time() - start:.0f} |", flush=True)
    sys.exit(1 if wrong else 0)


main()
