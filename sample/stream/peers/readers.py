"""Reads an epoch, or a part of one, with one reader, and says what it cost. bench.py runs it, a process for each measurement.

usage: readers.py NAME FOLDER RESULT [--order shuffled|sequential] [--take BATCHES] [--save STATE] [--load STATE]
                  [--pipeline FILE --dataset DIR --plan FILE] [--no-cache]

The rule: a batch counts when its 16 samples are numpy arrays in this process. Rivals read through their own loader with one
worker, which hands over a batch as one tensor in shared memory: the fastest way that torch has. Times are seconds since
bench.py started the process, imports included.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH = 16
SEED = 7
BUFFER = 512  # samples of a shuffle buffer, where shuffling is by one


class Reader:
    """One epoch as batches of (sample ids, numpy ids of each). `state` is what a resume needs after the last batch taken."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.shuffle = args, args.order == "shuffled"
        self.loaded = json.loads(args.load.read_text()) if args.load else None

    def batches(self) -> Iterator[tuple[list[str], list[Any]]]:
        raise NotImplementedError

    def state(self) -> Any:
        raise NotImplementedError


def collate(samples: list[dict[str, Any]]) -> tuple[list[str], Any, list[int]]:
    import numpy as np
    import torch
    ids = [np.asarray(s["ids"], dtype=np.int32) for s in samples]
    return [s["sample_id"] for s in samples], torch.from_numpy(np.concatenate(ids)), [len(i) for i in ids]


def split(batch: tuple[list[str], Any, list[int]]) -> tuple[list[str], list[Any]]:
    import numpy as np
    names, ids, lengths = batch
    return list(names), np.split(ids.numpy(), np.cumsum(lengths)[:-1])


class LoaderReader(Reader):
    """A torch loader with a state."""
    loader: Any

    def batches(self) -> Iterator[tuple[list[str], list[Any]]]:
        self.loader = self.make()
        if self.loaded is not None:
            self.loader.load_state_dict(self.loaded)
        for batch in self.loader:
            yield split(batch)

    def make(self) -> Any:
        raise NotImplementedError

    def state(self) -> Any:
        return self.loader.state_dict()


class MosaicML(LoaderReader):
    def make(self) -> Any:
        from streaming import StreamingDataLoader, StreamingDataset
        dataset = StreamingDataset(local=str(self.args.folder), shuffle=self.shuffle, shuffle_seed=SEED, batch_size=BATCH, num_canonical_nodes=1)
        return StreamingDataLoader(dataset, batch_size=BATCH, num_workers=1, collate_fn=collate)


class LitData(LoaderReader):
    def make(self) -> Any:
        import litdata
        dataset = litdata.StreamingDataset(str(self.args.folder), shuffle=self.shuffle, seed=SEED)
        return litdata.StreamingDataLoader(dataset, batch_size=BATCH, num_workers=1, collate_fn=collate)


class WebDataset(Reader):
    taken = 0

    def batches(self) -> Iterator[tuple[list[str], list[Any]]]:
        import webdataset
        urls = sorted(str(p) for p in self.args.folder.glob("*.tar"))
        dataset = webdataset.WebDataset(urls, shardshuffle=len(urls) if self.shuffle else False, seed=SEED)
        if self.shuffle:
            dataset = dataset.shuffle(BUFFER, seed=SEED)
        dataset = dataset.decode().rename(sample_id="__key__", ids="npy").batched(BATCH, collation_fn=collate)
        skip = self.loaded or 0  # it has no state: what was taken is read again
        for batch in webdataset.WebLoader(dataset, batch_size=None, num_workers=1):
            self.taken += 1
            if self.taken > skip:
                yield split(batch)

    def state(self) -> Any:
        return self.taken


class HFDatasets(LoaderReader):
    def make(self) -> Any:
        import datasets
        from torchdata.stateful_dataloader import StatefulDataLoader
        dataset = datasets.load_dataset("parquet", data_files=str(self.args.folder / "all.parquet"), split="train", streaming=True)
        if self.shuffle:
            dataset = dataset.shuffle(seed=SEED, buffer_size=BUFFER)
        return StatefulDataLoader(dataset.with_format("numpy"), batch_size=BATCH, num_workers=1, collate_fn=collate)


class PyArrow(Reader):
    """A table in memory and a permutation; no torch, no worker."""
    taken = 0

    def batches(self) -> Iterator[tuple[list[str], list[Any]]]:
        import numpy as np
        import pyarrow.parquet as pq
        table = pq.read_table(self.args.folder / "all.parquet")
        order = np.random.default_rng(SEED).permutation(len(table)) if self.shuffle else np.arange(len(table))
        self.taken = self.loaded or 0
        for at in range(self.taken * BATCH, len(order), BATCH):
            part = table.take(order[at:at + BATCH])
            self.taken += 1
            yield part.column(0).to_pylist(), [i.values.to_numpy() for i in part.column(1)]

    def state(self) -> Any:
        return self.taken


class Pipeline(Reader):
    """`pipeline serve`, started here, and pyarrow's Flight client."""
    cursor = ""

    def batches(self) -> Iterator[tuple[list[str], list[Any]]]:
        a = self.args
        command = [a.pipeline, "--quiet", "serve", a.dataset, "--plan", a.plan, "--listen", "127.0.0.1:0", *(["--no-cache"] if a.no_cache else [])]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        import pyarrow.flight as flight  # while the server starts
        try:
            assert server.stdout is not None
            client = flight.connect(server.stdout.readline().strip())
            ticket = {"plans": [a.plan.name], "batch": BATCH, **({"cursor": self.loaded} if self.loaded else {})}
            complete = False
            reader = client.do_get(flight.Ticket(json.dumps(ticket).encode()))
            for chunk in reader:
                self.cursor, complete = chunk.app_metadata.to_pybytes().decode(), chunk.data.num_rows == 0
                if not complete:
                    ids = chunk.data.column("prompt_tokens")
                    values, offsets = ids.values.to_numpy(), ids.offsets.to_numpy()
                    yield chunk.data.column("sample_id").to_pylist(), [values[b:e] for b, e in zip(offsets[:-1], offsets[1:])]
            assert complete, "the stream was cut off"
        finally:
            server.terminate()
            server.wait()

    def state(self) -> Any:
        return self.cursor


class Package(Reader):
    """The Python package of this project, which starts `pipeline stream` itself."""

    def batches(self) -> Iterator[tuple[list[str], list[Any]]]:
        sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "python" / "src"))
        from longctx_pipeline import CurriculumDataset
        a = self.args
        self.dataset = CurriculumDataset(a.dataset, a.plan, batch=BATCH, batches=True, binary=a.pipeline)
        if self.loaded:
            self.dataset.load_state_dict(self.loaded)
        for batch in self.dataset:
            yield batch.sample_ids, batch.prompt_tokens

    def state(self) -> Any:
        return self.dataset.state_dict()


READERS = {"mosaicml": MosaicML, "litdata": LitData, "webdataset": WebDataset, "hf": HFDatasets, "pyarrow": PyArrow, "pipeline": Pipeline, "package": Package}


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("name", choices=READERS)
    p.add_argument("folder", type=Path)
    p.add_argument("result", type=Path)
    p.add_argument("--order", default="shuffled")
    p.add_argument("--take", type=int, help="batches; all without it")
    for name in ("--save", "--load", "--pipeline", "--dataset", "--plan"):
        p.add_argument(name, type=Path)
    p.add_argument("--no-cache", action="store_true")
    return p.parse_args()


def main() -> None:
    args = arguments()
    start = float(os.environ["BENCH_START"])  # of the monotonic clock, which all processes share
    reader = READERS[args.name](args)
    names: list[str] = []
    tokens = first_tokens = checksum = 0
    first = 0.0
    batches = reader.batches()
    for n, (ids_of, arrays) in enumerate(batches, 1):
        names += ids_of
        tokens += sum(len(a) for a in arrays)
        checksum += sum(int(a[0]) + 3 * int(a[-1]) + 7 * int(a[len(a) // 2]) for a in arrays)
        if n == 1:
            first, first_tokens = time.monotonic() - start, tokens
        if n == args.take:
            break
    end = time.monotonic() - start
    if args.save:
        args.save.write_text(json.dumps(reader.state(), default=str))
    args.result.write_text(json.dumps({
        "first_s": first, "epoch_s": end, "tokens": tokens, "checksum": checksum, "samples": names,
        "tokens_per_s": (tokens - first_tokens) / (end - first) if end > first else 0.0,
    }))
    batches.close()


if __name__ == "__main__":
    main()
