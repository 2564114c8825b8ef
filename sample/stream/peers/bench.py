"""Reads the same samples with this program and its rivals in turn, and prints a table. `make bench-stream` runs it.

usage: bench.py --pipeline FILE [--real DIR] [--cache DIR] [--readers A,B] [--runs N] [--large] [--json]

The rule: nothing is compared that did not deliver the same samples. After every run the number of tokens and a checksum
over first, middle and last id of every sample must be those of all others, except where half an epoch is resumed: there
what is lost and repeated is counted. The page cache is warm for all.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / "dataset" / "interop"), str(ROOT / "cmd" / "internal" / "build" / "peers")]
import corpus  # noqa: E402
import environment  # noqa: E402
import measure  # noqa: E402

BATCH = 16
LONG = 60_000  # characters: real documents that long, each with its questions
REAL_BYTES = 112_000  # of a sample, about: 25,000 tokens
SYNTH = ("--tokens", "8000..58000", "--task", "lookup,chain,table", "--seed", "7")
COLD, WARM, PACKAGE = "cold", "pipeline", "package"
OURS = (COLD, WARM, PACKAGE)
FORMATS = {COLD: "pipeline", WARM: "pipeline", PACKAGE: "package", "mosaicml": "mosaicml", "litdata": "litdata", "webdataset": "webdataset", "hf": "parquet", "pyarrow": "parquet"}
NAMES = {COLD: "pipeline serve, cache not built yet", WARM: "pipeline serve", PACKAGE: "pipeline stream, Python package", "mosaicml": "MosaicML Streaming", "litdata": "LitData",
         "webdataset": "WebDataset", "hf": "HF datasets, streaming", "pyarrow": "pyarrow in RAM, permutation"}
FOOTNOTES = """\
first: from the start of the process to the first batch, imports and (ours) the start of the server included.
M/s: tokens a second after the first batch. epoch: the whole process. CPU, RSS: of all processes together, shared pages in each.
The order of a plan is drawn, so ours is always shuffled. resume: to the first batch after half an epoch, in a new process. Medians; the readers run in turn."""


class Failure(Exception):
    """What a person reads."""


@dataclass
class Result:
    """One round of one reader."""
    reader: str
    first_s: float
    shuffled: float  # tokens a second
    sequential: float
    epoch_s: float
    cpu_s: float  # of the shuffled epoch, all processes
    tree_mib: float
    resume_s: float
    lost: int
    repeated: int


@dataclass
class Bench:
    """One dataset, its copies in the formats of all readers, and where to work."""
    pipeline: Path
    pythons: dict[str, Path]  # of each reader
    dataset: Path
    work: Path

    def run(self, reader: str, *options: str) -> tuple[dict[str, Any], measure.Run]:
        """One process; what it read, and what it cost."""
        name = FORMATS[reader] if reader in OURS else reader
        if reader == COLD:
            shutil.rmtree(self.dataset / "cache", ignore_errors=True)
        result, stdout, stderr = (self.work / x for x in ("result.json", "stdout", "stderr"))
        result.unlink(missing_ok=True)
        ours = ["--pipeline", self.pipeline, "--dataset", self.dataset, "--plan", self.dataset.parent / "plan.parquet"] if reader in OURS else []
        folder = self.dataset.parent / FORMATS[reader]
        os.environ["BENCH_START"] = str(time.monotonic())
        r = measure.run([str(x) for x in (self.pythons[reader], HERE / "readers.py", name, folder, result, *ours, *options)], stdout, stderr)
        if r.status != 0 or not result.exists():
            raise Failure(f"{reader} ended with status {r.status}: {stderr.read_text()[-3000:]}")
        return json.loads(result.read_text()), r

    def round(self, reader: str, whole: dict[str, Any]) -> Result:
        """All measurements of a reader. whole is what an epoch holds; the first reader says it."""
        shuffled, cost = self.run(reader)
        sequential = self.run(reader, "--order", "sequential")[0] if reader not in OURS else None
        for got in filter(None, (shuffled, sequential)):
            what = {k: got[k] for k in ("tokens", "checksum")} | {"samples": sorted(got["samples"])}
            if what != (whole or what):
                raise Failure(f"{reader} did not deliver the same: {len(what['samples'])} samples, {what['tokens']} tokens; {len(whole['samples'])}, {whole['tokens']} were there")
            whole.update(what)
        half = len(whole["samples"]) // BATCH // 2
        state = self.work / "state.json"
        before, _ = self.run(reader, "--take", str(half), "--save", str(state))
        after, _ = self.run(reader if reader != COLD else WARM, "--load", str(state))
        seen = Counter(before["samples"] + after["samples"])
        return Result(reader, shuffled["first_s"], shuffled["tokens_per_s"], sequential["tokens_per_s"] if sequential else 0.0, shuffled["epoch_s"], cost.cpu_s, cost.tree_mib,
                      after["first_s"], len(whole["samples"]) - len(seen), sum(n - 1 for n in seen.values()))


def ours(args: argparse.Namespace, *command: Any) -> None:
    subprocess.run([str(x) for x in (args.pipeline, "--quiet", *command)], check=True)


def make_dataset(args: argparse.Namespace, python: Path) -> Path:
    """The dataset, its plans and its copies, made once for a size, an origin and a version of the scripts."""
    version = hashlib.sha256((HERE / "formats.py").read_bytes() + repr((LONG, REAL_BYTES, SYNTH)).encode()).hexdigest()[:8]
    samples = 11_000 if args.large else 3_000
    folder = args.cache / f"stream-{'real' if args.real else 'synth'}-{samples}-{version}"
    dataset = folder / "data"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        source = folder / "docs.jsonl"
        if args.real:
            long = [s for s in corpus.real_samples(args.real / "real") if len(s[0]) > LONG]
            corpus.write(source, long, samples * REAL_BYTES)
        else:
            ours(args, "synth", "--samples", samples, *SYNTH, "--output", source)
        ours(args, "build", "--input", source, "--phases", "200000", "--no-text", "--output", dataset)
        source.unlink()
        ours(args, "sample", dataset, "--phase", "1", "--seed", "7", "--output", folder / "plan.parquet")
        (folder / "complete").touch()
    for name in sorted({FORMATS[r] for r in args.readers if r not in OURS}):
        if not (folder / f"{name}.complete").exists():
            shutil.rmtree(folder / name, ignore_errors=True)
            print(f"writing the samples as {name}, once", file=sys.stderr, flush=True)
            subprocess.run([python, HERE / "formats.py", name, dataset, folder / name], check=True, stdout=subprocess.DEVNULL)
            (folder / f"{name}.complete").touch()
    return dataset


def medians(results: list[Result], reader: str) -> Result:
    of = [asdict(r) for r in results if r.reader == reader]
    return Result(reader, **{k: statistics.median(r[k] for r in of) for k in of[0] if k != "reader"})


def print_table(results: list[Result], readers: list[str]) -> None:
    table = [("reader", "first s", "shuffled M/s", "sequential M/s", "epoch s", "CPU s", "RSS MiB", "resume s", "lost", "repeated")]
    for m in (medians(results, r) for r in readers):
        sequential = f"{m.sequential / 1e6:.0f}" if m.sequential else "-"
        table.append((NAMES[m.reader], f"{m.first_s:.2f}", f"{m.shuffled / 1e6:.0f}", sequential, f"{m.epoch_s:.2f}", f"{m.cpu_s:.2f}", f"{m.tree_mib:.0f}",
                      f"{m.resume_s:.2f}", f"{m.lost:.0f}", f"{m.repeated:.0f}"))
    widths = [max(len(cell) for cell in column) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))))
    print(FOOTNOTES)


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--real", type=Path, help="folder with real/; without it, synthetic documents")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where datasets and the virtual environment are kept")
    p.add_argument("--readers", default=",".join(NAMES), help="which to run, in this order")
    p.add_argument("--runs", type=int, default=3, help="runs of each reader")
    p.add_argument("--large", action="store_true", help="more than 1 GB of token ids")
    p.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = p.parse_args()
    args.pipeline, args.readers = args.pipeline.resolve(), args.readers.split(",")
    if unknown := set(args.readers) - NAMES.keys():
        p.error(f"unknown readers {sorted(unknown)}; there are {', '.join(NAMES)}")
    return args


def main() -> int:
    args = arguments()
    args.cache.mkdir(parents=True, exist_ok=True)
    python = environment.ensure(args.cache, "stream", HERE / "requirements.txt")
    pythons = {r: environment.ensure(args.cache, "stream-hf", HERE / "requirements-hf.txt") if r == "hf" else python for r in args.readers}
    dataset = make_dataset(args, python)
    results: list[Result] = []
    whole: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=args.cache, prefix="stream-") as work:
        bench = Bench(args.pipeline, pythons, dataset, Path(work))
        try:
            for n in range(args.runs):
                for reader in args.readers:
                    results.append(bench.round(reader, whole))
                    print(f"run {n + 1} of {args.runs}, load {os.getloadavg()[0]:.1f}: {results[-1]}", file=sys.stderr, flush=True)
        except Failure as e:
            print(f"bench-stream: FAILED: {e}", file=sys.stderr)
            return 1
    if args.json:
        print(json.dumps({"tokens": whole["tokens"], "samples": len(whole["samples"]), "load": os.getloadavg(), "runs": [asdict(r) for r in results]}))
        return 0
    print(f"{len(whole['samples']):,} samples, {whole['tokens']:,} tokens, batches of {BATCH}; the same in all runs\n")
    print_table(results, args.readers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
