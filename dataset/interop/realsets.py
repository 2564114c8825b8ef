"""Reads the real sets apart from the program: what their shards must hold.

The rule: a line "speaker: content" for each turn of a meeting; paragraphs are joined by blank lines, each below its
title. How the sentences of a paragraph are spaced is left to the program: HotpotQA's carry some of the spaces
themselves, so white space is not compared there.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Text = tuple[str, str, tuple[str, ...]]  # question, context, answers


def qmsum(r: dict[str, Any]) -> Iterator[Text]:
    context = "\n".join(f"{t['speaker']}: {t['content']}" for t in r["meeting_transcripts"])
    for q in r["general_query_list"] + r["specific_query_list"]:
        yield q["query"], context, (q["answer"],)


def hotpotqa(r: dict[str, Any]) -> Iterator[Text]:
    paragraphs = zip(r["context"]["title"], r["context"]["sentences"])
    yield r["question"], "\n\n".join(f"{title}\n{joined(sentences)}" for title, sentences in paragraphs), (r["answer"],)


def multihop(r: dict[str, Any]) -> Iterator[Text]:
    context = "\n\n".join(f"{p['title']}\n{p['text']}" for p in r["paragraphs"])
    yield r["question"], context, tuple(dict.fromkeys(str(a) for a in r["answer"]))


def joined(sentences: list[str]) -> str:
    """Sentences as a set has them; with spaces between all where the set keeps none."""
    meet = zip(sentences, sentences[1:])
    return "".join(sentences) if any(a[-1:].isspace() or b[:1].isspace() for a, b in meet) else " ".join(sentences)


@dataclass(frozen=True)
class RealSet:
    """One set: where its files are, and how a record is read."""
    pattern: str
    samples: Callable[[dict[str, Any]], Iterator[Text]]

    def read(self, folder: Path) -> list[Text]:
        lines = (line for path in sorted(folder.glob(self.pattern)) for line in path.read_text(encoding="utf-8").split("\n") if line)
        return [sample for line in lines for sample in self.samples(json.loads(line))]


SETS = {
    "qmsum": RealSet("qmsum/*.jsonl", qmsum),
    "hotpotqa": RealSet("hotpotqa_distractor100/*.jsonl", hotpotqa),
    "multihop": RealSet("ircot_multihop/*.jsonl", multihop),
}
