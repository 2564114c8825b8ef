"""What the interop check builds, and which checks each build goes through.

The rule: a check that cannot be run says so in its own line; nothing is left out silently.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import content
import corpus
import damage
import realsets
from checks import CHECKS, Dataset, Difference
from prompts import Reference

HERE = Path(__file__).resolve().parent
PHASES = "300,1500,12000"
REAL_PHASES = "4000,16000,40000"
MADE_VOCABULARY = 3000
SMALL_SPLITS = "128KiB"  # so that a phase has several shards


class Failure(Exception):
    """What a person reads when a check or a build fails."""


@dataclass
class Session:
    """The program under test and the folder to work in."""
    pipeline: Path
    folder: Path

    def build(self, name: str, source: str, tokenizer: Path, *options: str) -> Dataset:
        output = self.folder / name
        command = [str(self.pipeline), "build", "--quiet", "--input", source, "--tokenizer", str(tokenizer), "--output", str(output), *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{name}: pipeline build ended with status {done.returncode}: {done.stderr.strip()}")
        print(f"\n{name}: pipeline build {' '.join(options)}", flush=True)
        d = Dataset(output, lean="--no-text" in options)
        d.read()
        return d

    def has(self, verb: str) -> bool:
        return subprocess.run([self.pipeline, verb, "--help"], capture_output=True).returncode == 0


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def passed(line: str) -> None:
    print(f"  ok  {line}", flush=True)


def common(d: Dataset) -> None:
    for check in CHECKS:
        passed(check(d))


def made(s: Session, source: Path, expected: list[corpus.Expected], name: str, tokenizer: Path) -> None:
    """The input of the script, in every layout, with one tokenizer."""
    reference = Reference(tokenizer)
    for layout, options in (("text", []), ("no-text", ["--no-text", "--split-size", SMALL_SPLITS]), ("parse", ["--special-tokens", "parse"])):
        d = s.build(f"made-{name}-{layout}", str(source), tokenizer, "--phases", PHASES, *options)
        common(d)
        passed(content.values(d, expected))
        passed(content.drops(d, corpus.DROPS))
        passed(content.prompts(d, reference, expected, parse=layout == "parse"))
        if layout == "text":
            passed(damage.prove(d, reference, expected))


def synth(s: Session, tokenizer: Path) -> None:
    if not s.has("synth"):
        print("\nsynth: skipped, the program has no such verb")
        return
    source = s.folder / "synth.jsonl"
    command = [s.pipeline, "synth", "--samples", "60", "--tokens", "200..6000", "--task", "lookup,chain,table", "--seed", "7", "--output", source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"pipeline synth ended with status {done.returncode}: {done.stderr.strip()}")
    d = s.build("synth", str(source), tokenizer, "--phases", "1000,4000,60000")
    common(d)
    passed(content.real_prompts(d, Reference(tokenizer)))


def real(s: Session, folder: Path, tokenizer: Path) -> None:
    table = [("set", "phase", "range", "samples", "tokens")]
    for name, known in realsets.SETS.items():
        d = s.build(f"real-{name}", str(folder / "real" / known.pattern), tokenizer, "--phases", REAL_PHASES)
        common(d)
        passed(content.real_values(d, known, folder / "real"))
        passed(content.real_prompts(d, Reference(tokenizer)))
        for p in d.manifest["phases"]:
            table.append((name, str(p["phase"]), f"({p['min']}, {p['max']}]", str(p["samples"]), str(p["tokens"])))
    print_table(table)


def print_table(table: list[tuple[str, ...]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*table)]
    print()
    for row in table:
        print("  " + "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def make_tokenizer(s: Session, source: Path) -> Path:
    folder = s.folder / "tokenizer"
    subprocess.run([sys.executable, HERE / "made_tokenizer.py", str(MADE_VOCABULARY), folder, source], check=True)
    return folder / "tokenizer.json"


def run(s: Session, real_data: Path | None) -> None:
    source = s.folder / "input.jsonl"
    expected = corpus.make(source)
    tokenizer = make_tokenizer(s, source)
    try:
        made(s, source, expected, "bpe", tokenizer)
        synth(s, tokenizer)
        if real_data is None:
            print("\nreal sets and real tokenizer: skipped, no --real")
            return
        qwen = real_data / "tokenizers" / "qwen2_5" / "tokenizer.json"
        made(s, source, expected, "qwen2_5", qwen)
        real(s, real_data, qwen)
    except Difference as e:
        raise Failure(str(e)) from e
