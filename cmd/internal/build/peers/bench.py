"""Runs the program and its rivals in turn on one corpus, and prints a table. `make bench-peers` runs it.

usage: bench.py --pipeline FILE [--real DIR] [--cache DIR] [--engines A,B] [--runs N] [--mb N] [--scale N] [--json]

The rule: nothing is compared that has not done the same work. After every run the Parquet files are read back, and
samples, tokens, phases and the checksum over all ids must be the same for all engines and runs.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import corpus
import measure

HERE = Path(__file__).resolve().parent
INTEROP = HERE.parents[3] / "dataset" / "interop"
sys.path.insert(0, str(INTEROP))  # it makes virtual environments and small tokenizers
import environment  # noqa: E402

OURS = "pipeline"
RIVALS = {
    "hf-datasets": "HF datasets, 2 processes", "hand-tokenizers": "orjson + tokenizers + pyarrow", "hand-fastokens": "orjson + fastokens + pyarrow",
}
NAMES = {OURS: "pipeline build --no-text"} | RIVALS
PHASES = "20000,60000,120000"
MADE_VOCABULARY = 20_000
SYNTH_SAMPLES = 600
FOOTNOTES = """\
wall, CPU: of the whole process for pipeline; for the rivals of their work alone, without the interpreter's start and end.
process: wall of the whole process, for all. RSS: of the largest process; tree: of all processes at once, sampled.
x: ratio to pipeline. Medians; the engines run in turn."""


class Failure(Exception):
    """What a person reads."""


@dataclass
class Result:
    """One run of one engine."""
    engine: str
    wall_s: float
    cpu_s: float
    process_s: float
    rss_mib: float
    tree_mib: float


@dataclass
class Bench:
    """One corpus, one tokenizer, and where to work."""
    pipeline: Path
    python: Path
    source: Path
    tokenizer: Path
    folder: Path

    def command(self, engine: str, out: Path) -> list[str]:
        if engine != OURS:
            return [str(x) for x in (self.python, HERE / "engines.py", engine, self.source, self.tokenizer, out)]
        options = ["--no-text", "--template", "qwenlong-l1", "--phases", PHASES]
        return [str(x) for x in (self.pipeline, "build", "--quiet", "--input", self.source, "--tokenizer", self.tokenizer, *options, "--output", out)]

    def run(self, engine: str) -> tuple[Result, dict[str, Any]]:
        """One run, and the digest of what it wrote."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        stdout, stderr = self.folder / "stdout", self.folder / "stderr"
        r = measure.run(self.command(engine, out), stdout, stderr)
        if r.status != 0:
            raise Failure(f"{engine} ended with status {r.status}: {stderr.read_text()[-2000:]}")
        inner = {"wall_s": r.wall_s, "cpu_s": r.cpu_s} if engine == OURS else json.loads(stdout.read_text().splitlines()[-1])
        kind = "ours" if engine == OURS else "rival"
        digest = subprocess.run([self.python, HERE / "digest.py", kind, out], check=True, capture_output=True, text=True).stdout
        return Result(engine, inner["wall_s"], inner["cpu_s"], r.wall_s, r.rss_mib, r.tree_mib), json.loads(digest)


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--real", type=Path, help="folder with real/ and tokenizers/; without it, synthetic documents and a small tokenizer")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where corpus and virtual environment are kept")
    p.add_argument("--engines", default=",".join(NAMES), help="which to run, in this order")
    p.add_argument("--runs", type=int, default=3, help="runs of each engine")
    p.add_argument("--mb", type=int, default=64, help="size of the corpus in MB")
    p.add_argument("--scale", type=int, default=1, help="make the corpus so many times as large")
    p.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = p.parse_args()
    args.engines = args.engines.split(",")
    if unknown := set(args.engines) - NAMES.keys():
        p.error(f"unknown engines {sorted(unknown)}; there are {', '.join(NAMES)}")
    return args


def make_corpus(args: argparse.Namespace) -> Path:
    """The corpus, made once for a size, an origin and a version of the script."""
    version = hashlib.sha256((HERE / "corpus.py").read_bytes()).hexdigest()[:8]
    path = args.cache / f"corpus-{'real' if args.real else 'synth'}-{args.mb * args.scale}mb-{version}.jsonl"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=args.cache) as folder:
            if args.real:
                samples = corpus.real_samples(args.real / "real")
            else:
                samples = corpus.synth_samples(args.pipeline, Path(folder), SYNTH_SAMPLES)
        corpus.write(path, samples, args.mb * args.scale * 1_000_000)
    return path


def find_tokenizer(args: argparse.Namespace, python: Path, source: Path) -> Path:
    if args.real:
        return args.real / "tokenizers" / "qwen2_5" / "tokenizer.json"
    folder = args.cache / f"tokenizer-{MADE_VOCABULARY}-{source.stem}"
    if not (folder / "tokenizer_config.json").exists():
        subprocess.run([python, INTEROP / "made_tokenizer.py", str(MADE_VOCABULARY), folder, source], check=True)
    return folder / "tokenizer.json"


def rounds(b: Bench, engines: list[str], runs: int) -> tuple[list[Result], dict[str, Any]]:
    """A B C D A B C D ..., with the same digest after each."""
    results: list[Result] = []
    first: dict[str, Any] = {}
    for n in range(runs):
        for engine in engines:
            result, digest = b.run(engine)
            first = first or digest
            if digest != first:
                raise Failure(f"{engine} did not do the same work as {engines[0]}: {digest}, not {first}")
            results.append(result)
            print(f"run {n + 1} of {runs}: {engine}: {result.wall_s:.2f} s, {result.cpu_s:.2f} CPU-s, {result.rss_mib:.0f} MiB", file=sys.stderr, flush=True)
    return results, first


def medians(results: list[Result], engine: str) -> Result:
    of = [r for r in results if r.engine == engine]
    return Result(engine, *(statistics.median(getattr(r, name) for r in of) for name in ("wall_s", "cpu_s", "process_s", "rss_mib", "tree_mib")))


def print_table(results: list[Result], engines: list[str], mb: float) -> None:
    rows = {e: medians(results, e) for e in engines}
    base = rows[OURS if OURS in rows else engines[0]]
    table = [("engine", "wall s", "x", "CPU s", "x", "process s", "RSS MiB", "tree MiB", "MB/s")]
    for e, m in rows.items():
        table.append((NAMES[e], f"{m.wall_s:.2f}", f"{m.wall_s / base.wall_s:.2f}", f"{m.cpu_s:.2f}", f"{m.cpu_s / base.cpu_s:.2f}",
                      f"{m.process_s:.2f}", f"{m.rss_mib:.0f}", f"{m.tree_mib:.0f}", f"{mb / m.wall_s:.1f}"))
    widths = [max(len(cell) for cell in column) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))))
    print(FOOTNOTES)


def main() -> int:
    args = arguments()
    args.cache.mkdir(parents=True, exist_ok=True)
    python = environment.ensure(args.cache, "peers", HERE / "requirements.txt")
    source = make_corpus(args)
    mb = source.stat().st_size / 1e6
    tokenizer = find_tokenizer(args, python, source)
    with tempfile.TemporaryDirectory(dir=args.cache, prefix="peers-") as folder:
        try:
            results, digest = rounds(Bench(args.pipeline.resolve(), python, source, tokenizer, Path(folder)), args.engines, args.runs)
        except Failure as e:
            print(f"bench-peers: FAILED: {e}", file=sys.stderr)
            return 1
    if args.json:
        print(json.dumps({"mb": mb, "digest": digest, "runs": [asdict(r) for r in results], "medians": [asdict(medians(results, e)) for e in args.engines]}))
        return 0
    print(f"{mb:.1f} MB of JSONL, {sum(digest['samples'].values())} samples in phases {digest['samples']}, {digest['tokens']} tokens, "
          f"checksum {digest['checksum']} in all {len(results)} runs\n")
    print_table(results, args.engines, mb)
    return 0


if __name__ == "__main__":
    sys.exit(main())
