"""Writes the samples of a dataset in the format of each rival.

The rule: every format holds the same (sample_id, ids), in the order of the shards, uncompressed where its documentation
recommends that for speed, in files of the size that it recommends (64 MB). Written once, beside the dataset.

usage: formats.py NAME DATASET OUT
"""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILE_BYTES = 64 << 20


def shards(dataset: Path) -> list[Path]:
    return sorted(dataset.glob("phases/*/*.parquet"))


def samples(dataset: Path) -> Iterator[tuple[str, np.ndarray]]:
    for shard in shards(dataset):
        for batch in pq.ParquetFile(shard).iter_batches(64, columns=["sample_id", "prompt_tokens"]):
            for name, ids in zip(batch.column(0), batch.column(1)):
                yield name.as_py(), ids.values.to_numpy()


def write_mosaicml(dataset: Path, out: Path) -> None:
    from streaming import MDSWriter
    with MDSWriter(out=str(out), columns={"sample_id": "str", "ids": "ndarray:int32"}, size_limit=FILE_BYTES) as w:
        for name, ids in samples(dataset):
            w.write({"sample_id": name, "ids": ids})


def write_litdata(dataset: Path, out: Path) -> None:
    import litdata
    litdata.optimize(fn=LitSamples(dataset), inputs=[0], output_dir=str(out), chunk_bytes=FILE_BYTES, num_workers=1)


class LitSamples:
    """A generator that can be sent to another process."""

    def __init__(self, dataset: Path) -> None:
        self.dataset = dataset

    def __call__(self, _: int) -> Iterator[dict[str, object]]:
        for name, ids in samples(self.dataset):
            yield {"sample_id": name, "ids": ids}


def write_webdataset(dataset: Path, out: Path) -> None:
    import webdataset
    out.mkdir()
    with webdataset.ShardWriter(str(out / "shard-%05d.tar"), maxsize=FILE_BYTES, verbose=0) as w:
        for name, ids in samples(dataset):
            w.write({"__key__": name, "npy": ids})


def write_parquet(dataset: Path, out: Path) -> None:
    """Row groups of 64 samples: pyarrow and `datasets` decode a row group as a whole."""
    out.mkdir()
    schema = pa.schema({"sample_id": pa.string(), "ids": pa.list_(pa.int32())})
    rows = list(samples(dataset))
    with pq.ParquetWriter(out / "all.parquet", schema, compression="zstd", use_dictionary=False) as w:
        for at in range(0, len(rows), 64):
            part = rows[at:at + 64]
            w.write_table(pa.table({"sample_id": [n for n, _ in part], "ids": pa.array([i for _, i in part], pa.list_(pa.int32()))}, schema))


WRITERS = {"mosaicml": write_mosaicml, "litdata": write_litdata, "webdataset": write_webdataset, "parquet": write_parquet}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
