"""Training and generation by train/policy and by PyTorch, side by side on the CPU. `make bench-train` runs it.

usage: bench.py [--cache DIR] [--go GO] [--threads N] [--cases nano,micro,tiny,small]

The rule: the same shapes, the same batch, the same threads, one process for each measurement, one after the other; the
best of several rounds. Training is a forward and a backward pass. With PJRT_PLUGIN_LIBRARY_PATH set, XLA is measured too.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "dataset" / "interop"))
import environment  # noqa: E402

# As the benchmarks in Go have them: layers, hidden, heads, key-value heads, feed-forward, vocabulary, rows, time.
CASES = {
    "nano": (2, 64, 2, 2, 128, 128, 64, 64),
    "micro": (3, 96, 3, 3, 192, 128, 64, 64),
    "tiny": (4, 128, 4, 4, 384, 1024, 32, 128),
    "small": (6, 256, 8, 4, 688, 2048, 8, 512),
}
GENERATED = dict(rows=64, length=64, new=64, vocab=128)  # BenchmarkGenerate


def config(case: str, vocab: int) -> str:
    layers, hidden, heads, kv, ff, *_ = CASES[case]
    return json.dumps(dict(
        num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv, intermediate_size=ff,
        vocab_size=vocab, max_position_embeddings=4096, rms_norm_eps=1e-6, tie_word_embeddings=True,
    ))


def measured(command: list[str], env: dict[str, str], pattern: str) -> tuple[float, float]:
    """Tokens per second that the command prints, best of what it prints, and its peak memory in MB."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    found = [float(x) for x in re.findall(pattern, text)]
    if status or not found:
        sys.exit(f"{' '.join(command)} failed:\n{text}")
    return max(found), usage.ru_maxrss / 1024


class Go:
    """A test binary, built once for each package and set of tags."""

    def __init__(self, go: str, folder: Path, threads: int, backend: str) -> None:
        self.go, self.folder, self.backend = go, folder, backend
        self.env = {"GOEXPERIMENT": "simd", "GOMAXPROCS": str(threads)}
        self.built: dict[str, Path] = {}

    def run(self, package: str, benchmark: str) -> tuple[float, float]:
        if package not in self.built:
            to = self.folder / (self.backend.replace(":", "-") + package.replace("/", "-") + ".test")
            tags = ["-tags", "xla"] if self.backend != "go" else []
            cgo = {"CGO_ENABLED": "1"} if tags else {}
            subprocess.run([self.go, "test", "-c", *tags, "-o", str(to), "./" + package], cwd=ROOT, env={**os.environ, **self.env, **cgo}, check=True)
            self.built[package] = to
        command = [str(self.built[package]), "-test.run", "^$", "-test.bench", benchmark, "-test.count", "3", "-test.benchtime", "2s"]
        if package == "train/policy":
            command += ["-backend", self.backend]
        return measured(command, self.env, r"([0-9.]+) tokens/s")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where the virtual environment is kept")
    p.add_argument("--go", default="go", help="the go command")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--cases", default=",".join(CASES))
    args = p.parse_args()
    python = environment.ensure(args.cache, "bench-train", HERE / "requirements.txt")

    print(f"{'':32} {'tokens/s':>10} {'of torch':>9} {'peak MB':>8}")
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
        backends = ["go"] + (["xla:cpu"] if os.environ.get("PJRT_PLUGIN_LIBRARY_PATH") else [])
        sides = {b: Go(args.go, Path(folder), args.threads, b) for b in backends}
        for case in args.cases.split(","):
            *_, vocab, rows, length = CASES[case]
            torch = [str(python), str(HERE / "torch_side.py")]
            runs = {"PyTorch": measured([*torch, "step", config(case, vocab), str(rows), str(length), "0", str(args.threads)], {}, r"([0-9.]+)\s*$")}
            for b, side in sides.items():
                runs[b] = side.run("train/policy", f"^BenchmarkStep$/^{case}$")
            report(f"train {case} {rows}x{length}", runs)
            g = GENERATED
            runs = {"PyTorch": measured([*torch, "generate", config(case, g["vocab"]), str(g["rows"]), str(g["length"]), str(g["new"]), str(args.threads)], {}, r"([0-9.]+)\s*$")}
            runs["go"] = sides["go"].run("train/policy/decode", f"^BenchmarkGenerate$/^{case}$")
            report(f"generate {case}", runs)
    return 0


def report(what: str, runs: dict[str, tuple[float, float]]) -> None:
    base = runs["PyTorch"][0]
    for name, (speed, memory) in runs.items():
        print(f"{what + ' ' + name:32} {speed:>10.0f} {speed / base:>8.2f}x {memory:>8.0f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
