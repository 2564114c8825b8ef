"""Checks that TRL and OpenRLHF have every option that the printed scripts give them.

The rule: their option lists come out of their source as it is, by its syntax: importing them would need torch.
"""
from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

from transformers import TrainingArguments
from work import Failure, Work, passed


def fields(file: Path) -> set[str]:
    """Annotated names in the classes of a file: the options of a dataclass."""
    return {
        s.target.id
        for c in ast.walk(ast.parse(file.read_text())) if isinstance(c, ast.ClassDef)
        for s in c.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    }


def literal(node: ast.expr) -> list[str]:
    """The strings that an argument may be; an option with a prefix is one for each model."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(p if isinstance(v, ast.FormattedValue) else v.value for v in node.values) for p in ["actor", "critic"]]
    return []


def arguments(file: Path) -> set[str]:
    calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return {text for c in calls if c.func.attr == "add_argument" and c.args for text in literal(c.args[0])}


def used(call: list[str]) -> list[str]:
    return [a for a in call if a.startswith("--")]


def run(w: Work, trainers, cache: Path) -> None:
    trl = trainers.fetch(cache, "trl", trainers.TRL) / "trl"
    known = {f"--{f.name}" for f in dataclasses.fields(TrainingArguments)} | {"--config"}
    for file in [*sorted((trl / "trainer").glob("*config.py")), trl / "scripts" / "utils.py", trl / "scripts" / "grpo.py"]:
        if file.name in {"grpo_config.py", "base_config.py", "model_config.py", "utils.py", "grpo.py"}:
            known |= {f"--{name}" for name in fields(file)}
    rlhf = trainers.fetch(cache, "openrlhf", trainers.OPENRLHF) / "openrlhf"
    accepted = {"trl": known, "openrlhf": arguments(rlhf / "cli" / "train_ppo_ray.py")}
    for trainer, module in {"trl": "trl.scripts.grpo", "openrlhf": "openrlhf.cli.train_ppo_ray"}.items():
        for algorithm in ["grpo", "dapo"]:
            runs = [c[c.index(module) + 1:] for c in w.calls(f"{trainer}-{algorithm}") if module in c]
            if len(runs) != 2:
                raise Failure(f"{trainer}, {algorithm}: {len(runs)} trainings, there are two phases")
            unknown = set(used(runs[0])) - accepted[trainer]
            if unknown:
                raise Failure(f"{trainer} has no {', '.join(sorted(unknown))}")
            passed(f"{trainer}: {algorithm}: it has all {len(used(runs[0]))} options of the script")
