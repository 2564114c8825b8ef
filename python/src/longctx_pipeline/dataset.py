"""The curriculum as a dataset: an iterator, and a torch IterableDataset where torch is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from .batch import Batch, Sample
from .connection import Connection, is_address
from .doors import Door, FlightDoor, PipeDoor
from .errors import Unavailable
from .place import rank_of_ranks, single_rank, worker_of_workers
from .position import Position, from_state
from .program import find_program
from .reader import plans_of, read
from .request import Request
from .retry import Retry


class CurriculumDataset:
    """The samples of one plan or several, in their order.

    `source` is a server's address ("grpc://127.0.0.1:8815") or a dataset's folder; of a folder, each reader starts its own
    `pipeline stream`. `plans` are names of plans at a server, files otherwise. Nothing is opened before iteration.

    `batch` (samples) or `batch_tokens` (most prompt tokens) is the size of a *global* batch, of all ranks together.
    Iteration gives this rank's `Sample`s one by one, or with `batches=True` a `Batch` for each global batch. Every iteration
    begins at `cursor`, or at what `load_state_dict` or `commit` said. `state_dict` is the place of the newest one,
    counted by what was handed out: what was only read ahead comes again after a resume, nothing else does.

    The rank is `rank` of `ranks`, or that of torch.distributed; the worker that of a DataLoader. With torch loaded, this is a
    torch.utils.data.IterableDataset; use `batch_size=None`. It pickles without its connections.

    `retry` bounds the reconnecting after a cut; `wait` is how many seconds to wait at the end of a plan that still grows
    for its next segment, asking every `poll` seconds.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        plans: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        batch: int = 0,
        batch_tokens: int = 0,
        batches: bool = False,
        cursor: str | None = None,
        drop_last: bool = False,
        balance: bool = False,
        rank: int | None = None,
        ranks: int | None = None,
        worker: int | None = None,
        workers: int | None = None,
        binary: str | os.PathLike[str] | None = None,
        token: str | None = None,
        root_certs: bytes | None = None,
        retry: Retry | None = None,
        wait: float = 0.0,
        poll: float = 1.0,
    ) -> None:
        if (rank is None) != (ranks is None) or (worker is None) != (workers is None):
            raise ValueError("rank and ranks, worker and workers belong together")
        self._door: Door
        if is_address(source):
            self._door = FlightDoor(Connection(source, token, root_certs))
        else:
            self._door = PipeDoor(find_program(binary), os.fspath(source))
        several = [plans] if isinstance(plans, (str, os.PathLike)) else plans
        self._request = Request(
            tuple(os.fspath(p) for p in several), cursor, batch, batch_tokens, drop_last, balance,
            rank or 0, ranks or 1, worker or 0, workers or 1,
        )  # fmt: skip
        self._ranked, self._worked = rank is not None, worker is not None
        self._batches = batches
        self._retry, self._wait, self._poll = retry or Retry(), wait, poll
        self._start = self._at = Position(cursor)
        _register()

    def __iter__(self) -> Iterator[Any]:
        request = self._placed()
        begin = self._start
        shape = _shape(request)
        if begin.rows and begin.shape != shape:
            raise ValueError(
                f"the state lies inside a batch of another division (workers, rank, ranks, batch, batch_tokens, balance): "
                f"{begin.shape}, and this is {shape}. Between two batches all of these may change"
            )
        if begin.lane is not None and begin.shape[:1] != shape[:1]:
            raise ValueError(f"the state is that of one of {begin.shape[0]} workers, and now there are {request.workers}")
        lane = request.worker if begin.lane is None else begin.lane
        self._at = Position(begin.cursor, lane, begin.rows, shape)
        return self._iterate(Request(**{**request.__dict__, "cursor": begin.cursor, "worker": lane}), self._at)

    def _iterate(self, request: Request, at: Position) -> Iterator[Any]:
        skip = at.rows
        for batch in read(self._door, request, self._retry, self._wait, self._poll):
            after = Position(batch.cursor, request.workers - 1, 0, at.shape)
            if self._batches:
                batch, skip = (Batch(batch.record.slice(skip)), 0) if skip else (batch, 0)
                self._at = after
                yield batch
                continue
            for row, sample in enumerate(batch.samples(), 1):
                if row > skip:
                    self._at = Position(at.cursor, at.lane, row, at.shape) if row < len(batch) else after
                    yield sample
            skip, at = 0, after

    def _placed(self) -> Request:
        """The request with this process's rank and worker."""
        fields = dict(self._request.__dict__)
        if not self._ranked:
            fields["rank"], fields["ranks"] = rank_of_ranks() or single_rank()
        worker, workers = worker_of_workers()
        if workers > 1 and self._worked:
            raise ValueError("worker and workers were given, and the DataLoader has workers of its own: leave them out")
        if not self._worked:
            fields["worker"], fields["workers"] = worker, workers
        request = Request(**fields)
        if request.workers > 1 and request.ranks > 1 and len(request.plans) > 1 and not request.drop_last:
            raise ValueError(
                "several plans, ranks and workers: a rank may get nothing of a plan's last batch, and a DataLoader would then "
                "mix up the order of its workers. Use drop_last=True, at most one worker, or one plan at a time"
            )
        return request

    def state_dict(self) -> dict[str, Any]:
        """The place behind the last sample or batch that was handed out."""
        return self._at.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next iteration begin at a place that `state_dict` returned."""
        self._start = self._at = from_state(state)

    def plans(self) -> list[dict[str, Any]]:
        """What the source says of the plans: plan_id, phase, seed, positions (drawn so far), done."""
        request = Request(self._request.plans, batch=1)
        attempts = self._retry.begin()
        while True:
            try:
                with closing(self._door.open(request)) as records:  # type: ignore[type-var]
                    return plans_of(next(iter(records)).schema.metadata)
            except Unavailable as e:
                self._door.close()
                attempts.failed(e)

    def commit(self, batch: Batch) -> None:
        """Takes note, in the process of a torch DataLoader with workers, that a batch has come out of it.

        Workers have copies of this dataset, so only this tells this one where it is: commit every batch, in their order.
        `state_dict` then fits any number of workers and ranks.
        """
        self._start = self._at = Position(batch.cursor)

    @property
    def cursor(self) -> str | None:
        """The cursor before the batch that is being handed out, or after it when it was taken as a whole."""
        return self._at.cursor

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is spawned does not run torch.distributed: it is told what its parent knows.
        known = None if self._ranked else rank_of_ranks()
        state = dict(self.__dict__)
        if known:
            state["_request"] = Request(**{**self._request.__dict__, "rank": known[0], "ranks": known[1]})
            state["_ranked"] = True
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _register()


def _shape(r: Request) -> tuple[int, ...]:
    return (r.workers, r.rank, r.ranks, r.batch, r.batch_tokens, int(r.balance))


def _register() -> None:
    """Makes this an IterableDataset in the eyes of torch, where torch is loaded, without paying for its import."""
    data = sys.modules.get("torch.utils.data")
    if data is not None:
        data.IterableDataset.register(CurriculumDataset)


__all__ = ["Batch", "CurriculumDataset", "Sample"]
