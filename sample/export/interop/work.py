"""The dataset, the plan and the exports that all checks look at.

The rule: everything is made by the program under test, as its README tells a person to.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

DATASET_INTEROP = Path(__file__).resolve().parents[3] / "dataset" / "interop"
STUB = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as f:
    f.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
for a in sys.argv[1:]:
    if a.startswith("trainer.default_local_dir="):
        d = a.split("=", 1)[1].strip("'")
        os.makedirs(d, exist_ok=True)
        open(os.path.join(d, "latest_checkpointed_iteration.txt"), "w").write("7")
"""


class Failure(Exception):
    """What a person reads when a check fails."""


def passed(line: str) -> None:
    print(f"  ok  {line}", flush=True)


class Work:
    """A folder with data/ (the dataset), plan.parquet, and an export in each format."""
    Failure = Failure

    def __init__(self, pipeline: Path, folder: Path, real: Path | None) -> None:
        self.pipeline, self.folder, self.real = pipeline, folder, real
        self.tokenizer = real / "tokenizers" / "qwen2_5" if real else folder / "tokenizer"

    def call(self, *args: object) -> str:
        done = subprocess.run([str(self.pipeline), *map(str, args)], capture_output=True, text=True, cwd=self.folder)
        if done.returncode != 0:
            raise Failure(f"pipeline {' '.join(map(str, args))}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def make(self) -> None:
        source = self.real / "real" / "qmsum" / "val.jsonl" if self.real else self.folder / "docs.jsonl"
        if not self.real:
            self.call("synth", "--samples", "120", "--tokens", "200..6000", "--task", "lookup,chain,table", "--seed", "7", "--output", source)
            subprocess.run([sys.executable, DATASET_INTEROP / "made_tokenizer.py", "3000", self.tokenizer, source], check=True)
        with (self.folder / "chats.jsonl").open("w") as f:
            for n in range(3):
                f.write(json.dumps({"messages": [{"role": "system", "content": f"Be brief, {n}."}, {"role": "user", "content": "Why — ½ é?"}], "answer": f"{n}"}) + "\n")
        phases = "10000,20000,60000" if self.real else "1000,3000,60000"
        self.call("build", "--quiet", "--input", source, "--input", "chats.jsonl", "--tokenizer", self.tokenizer / "tokenizer.json", "--phases", phases, "--output", "data")
        self.call("sample", "--quiet", "data", "--phase", "2", "--draw", "30", "--retrospective", "uniform", "--seed", "7", "--output", "plan.parquet")
        for name, ending in {"verl": "parquet", "trl": "parquet", "openrlhf": "jsonl", "hf": "parquet", "jsonl": "jsonl"}.items():
            self.call("export", "--quiet", "data", "--plan", "plan.parquet", "--format", name, "--output", f"{name}.{ending}")
        self.scripts()

    def scripts(self) -> None:
        """Runs each printed script with stubs instead of its programs, and keeps the calls as calls-NAME.jsonl."""
        stubs = self.folder / "stubs"
        stubs.mkdir()
        for name in ["python3", "pipeline", "accelerate"]:
            (stubs / name).write_text(STUB.replace("#!/usr/bin/env python3", f"#!{sys.executable}"))
            (stubs / name).chmod(0o755)
        for trainer, file in {"verl": "verl.parquet", "trl": "trl.parquet", "openrlhf": "openrlhf.jsonl"}.items():
            for algorithm in ["grpo", "dapo"]:
                script = self.call("export", "--quiet", "data", "--plan", "plan.parquet", "--format", trainer, "--output", file, "--print-command", "--algorithm", algorithm)
                for version in ["0.7.1", "0.8.0", "0.9.1"] if trainer == "verl" else [""]:
                    self.play(stubs, script, f"{trainer}-{algorithm}{version}", version)
        passed("printed scripts run from phase to phase")

    def play(self, stubs: Path, script: str, name: str, version: str) -> None:
        runs = self.folder / "runs" / name
        for phase in ["phase-2", "phase-3"]:
            (runs / phase).mkdir(parents=True)
            (runs / phase / "outcomes.jsonl").write_text("{}\n")
        env = {
            **os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "CALLS": str(self.folder / f"calls-{name}.jsonl"),
            "MODEL": "Qwen/Qwen2.5-0.5B", "REWARD": "it's a/reward.py", "RUNS": str(runs), "VERL": version,
        }
        done = subprocess.run(["bash"], input=script, capture_output=True, text=True, cwd=self.folder, env=env)
        if done.returncode != 0:
            raise Failure(f"script {name}: status {done.returncode}: {done.stderr.strip()}")

    def calls(self, name: str) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / f"calls-{name}.jsonl").read_text().splitlines()]
