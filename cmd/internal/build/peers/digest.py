"""Says what stands in the Parquet files of an engine, so that two engines can be compared.

usage: digest.py ours|rival DIR

The rule: the checksum depends on the set of (id, answer, ids), not on their order or files; each row must stand in the
phase of its length. It prints one JSON line.
"""
from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

Row = tuple[int, str, str, np.ndarray]  # phase, id, answer, ids

COLUMNS = {"ours": ["source_id", "answers", "prompt_tokens"], "rival": ["id", "answer", "input_ids"]}
PATTERNS = {"ours": "phases/phase-*/*.parquet", "rival": "phase-*.parquet"}


def phase_of(path: Path) -> int:
    name = path.stem if path.stem.startswith("phase-") else path.parent.name
    return int(name.removeprefix("phase-"))


def rows(kind: str, folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob(PATTERNS[kind])):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=COLUMNS[kind]):
            ids, answers, tokens = (batch.column(name) for name in COLUMNS[kind])
            for i, answer, x in zip(ids.to_pylist(), answers.to_pylist(), tokens):
                yield phase_of(path), i, answer[0] if kind == "ours" else answer, np.asarray(x.values)


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    total, tokens = 0, 0
    phases: dict[int, int] = {}
    for phase, sample, answer, ids in rows(kind, folder):
        h = hashlib.sha256(f"{phase}\0{sample}\0{answer}\0".encode() + ids.astype("<i4").tobytes())
        total = (total + int.from_bytes(h.digest(), "little")) % (1 << 256)
        tokens += len(ids)
        phases[phase] = phases.get(phase, 0) + 1
    print(json.dumps({"tokens": tokens, "samples": {str(k): phases[k] for k in sorted(phases)}, "checksum": f"{total:064x}"[:16]}))


if __name__ == "__main__":
    main()
