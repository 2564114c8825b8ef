"""Reads the real sets apart from the program: what their shards must hold.

The rule: a line "speaker: content" for each turn of a meeting; paragraphs are joined by blank lines, each below its
title. HotpotQA's sentences carry the space between them themselves, and have none where a quotation ends.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
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


SETS: dict[str, tuple[str, Callable[[dict[str, Any]], Iterator[Text]]]] = {
    "qmsum": ("qmsum/*.jsonl", qmsum),
    "hotpotqa": ("hotpotqa_distractor100/*.jsonl", hotpotqa),
    "multihop": ("ircot_multihop/*.jsonl", multihop),
}


def read(folder: Path, pattern: str, samples: Callable[[dict[str, Any]], Iterator[Text]]) -> list[Text]:
    paths = sorted(folder.glob(pattern))
    return [s for path in paths for line in path.read_text(encoding="utf-8").split("\n") if line for s in samples(json.loads(line))]
