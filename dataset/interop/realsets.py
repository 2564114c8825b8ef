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
    yield r["question"], "\n\n".join(f"{title}\n{''.join(sentences)}" for title, sentences in paragraphs), (r["answer"],)


def multihop(r: dict[str, Any]) -> Iterator[Text]:
    context = "\n\n".join(f"{p['title']}\n{p['text']}" for p in r["paragraphs"])
    yield r["question"], context, tuple(dict.fromkeys(str(a) for a in r["answer"]))


def as_it_is(text: str) -> str:
    return text


def without_spaces(text: str) -> str:
    return "".join(text.split())


@dataclass(frozen=True)
class RealSet:
    """One set: where its files are, how a record is read, and in which form contexts are compared."""
    pattern: str
    samples: Callable[[dict[str, Any]], Iterator[Text]]
    form: Callable[[str], str] = as_it_is

    def read(self, folder: Path) -> list[Text]:
        lines = (line for path in sorted(folder.glob(self.pattern)) for line in path.read_text(encoding="utf-8").split("\n") if line)
        return [(q, self.form(c), a) for line in lines for q, c, a in self.samples(json.loads(line))]


SETS = {
    "qmsum": RealSet("qmsum/*.jsonl", qmsum),
    "hotpotqa": RealSet("hotpotqa_distractor100/*.jsonl", hotpotqa, without_spaces),
    "multihop": RealSet("ircot_multihop/*.jsonl", multihop),
}
