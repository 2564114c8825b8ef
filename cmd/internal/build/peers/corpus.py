"""Makes the corpus that the program and its rivals are compared on: JSONL with id, context, question, answer.

The rule: the same bytes every time. Real questions on real documents in a fixed shuffled order, each pair once;
where the sets are smaller than the size asked for, they come again as copies, with other ids and another first sentence.
"""
from __future__ import annotations

import ast
import json
import random
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Sample = tuple[str, str, str]  # context, question, answer

SEED = 7
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")  # no text of the corpus spells one


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def qmsum(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.glob("qmsum/*.jsonl")):
        for r in lines(path):
            context = "\n".join(f"{t['speaker']}: {t['content']}" for t in r["meeting_transcripts"])
            for q in r["general_query_list"] + r["specific_query_list"]:
                yield context, q["query"], q["answer"]


def loogle(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.glob("loogle/*dep_qa.jsonl")):
        for r in lines(path):
            for q in ast.literal_eval(r["qa_pairs"]):  # a list as Python prints it
                yield r["input"], q["Q"], str(q["A"])


def tatqa(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.glob("tatqa/*.json")):
        for r in json.loads(path.read_text(encoding="utf-8")):
            context = "\n\n".join(p["text"] for p in sorted(r["paragraphs"], key=lambda p: p["order"]))
            for q in r["questions"]:
                answer = q.get("answer", "")
                yield context, q["question"], "; ".join(map(str, answer)) if isinstance(answer, list) else str(answer)


def hotpotqa(folder: Path) -> Iterator[Sample]:
    for path in sorted(folder.glob("hotpotqa*/*.jsonl")):
        for r in lines(path):
            paragraphs = zip(r["context"]["title"], r["context"]["sentences"])
            yield "\n\n".join(f"{title}\n{''.join(sentences)}" for title, sentences in paragraphs), r["question"], r["answer"]


def real_samples(folder: Path) -> list[Sample]:
    found = [s for family in (qmsum, loogle, tatqa, hotpotqa) for s in family(folder)]
    usable = [s for s in found if all(text.strip() for text in s) and not any(mark in text for text in s for mark in SPECIAL)]
    return list(dict.fromkeys(usable))


def synth_samples(pipeline: Path, folder: Path, samples: int) -> list[Sample]:
    """What `pipeline synth` makes, for machines without real data."""
    path = folder / "synth.jsonl"
    command = [pipeline, "synth", "--samples", str(samples), "--tokens", "500..60000", "--task", "lookup,chain,table",
               "--seed", str(SEED), "--output", path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [(r["context"], r["question"], str(r["answer"])) for r in lines(path)]


def copy_of(sample: Sample, copy: int) -> Sample:
    context, question, answer = sample
    return (context if copy == 0 else f"This is copy {copy} of the document.\n{context}"), question, answer


def record(number: int, sample: Sample) -> bytes:
    context, question, answer = sample
    r = {"id": f"sample-{number:07d}", "context": context, "question": question, "answer": answer}
    return json.dumps(r, ensure_ascii=False).encode() + b"\n"


def stream(samples: list[Sample]) -> Iterable[Sample]:
    """All samples in shuffled order, again and again as copies."""
    copy = 0
    while True:
        order = list(range(len(samples)))
        random.Random(SEED + copy).shuffle(order)
        yield from (copy_of(samples[i], copy) for i in order)
        copy += 1


def write(path: Path, samples: list[Sample], size: int) -> None:
    """Writes records until the size is reached."""
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as f:
        for number, sample in enumerate(stream(samples)):
            if f.tell() >= size:
                break
            f.write(record(number, sample))
    aside.rename(path)
