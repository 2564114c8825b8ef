"""What is read: everything once, in order, wherever one stops and however many read."""

from __future__ import annotations

import json
import pickle
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import IMPATIENT, Data, places, plain

from longctx_pipeline import BadRequest, Batch, CurriculumDataset, CursorRefused, NotFound, Unavailable


def test_samples_come_in_the_order_of_the_plans(source, data: Data, everything):
    folder, plans = source
    want = [(phase, r["sample_id"]) for phase, p in enumerate(data.plans, 1) for r in pq.read_table(p).to_pylist()]
    got = [plain(s) for s in CurriculumDataset(folder, plans, batch=8)]
    assert [(s["phase"], s["sample_id"]) for s in got] == want
    assert got == everything
    assert all(len(s["prompt_tokens"]) == s["prompt_length"] > 0 and s["question"] and s["answers"] for s in got)


def test_tokens_are_views_into_the_batch(source):
    batch = next(iter(CurriculumDataset(source[0], source[1], batch=8, batches=True)))
    flat, ends = batch.flat_tokens()
    assert isinstance(batch, Batch)
    assert len(batch) == 8 == len(ends) - 1 == len(batch.positions) == len(batch.sample_ids)
    assert flat.dtype == np.int32
    for tokens, sample, n in zip(batch.prompt_tokens, batch.samples(), batch.prompt_lengths, strict=True):
        assert np.shares_memory(tokens, flat)
        assert len(tokens) == n
        assert (sample["prompt_tokens"] == tokens).all()


def test_tokens_without_numpy_are_views_too(source, monkeypatch, everything):
    monkeypatch.setattr("longctx_pipeline.batch.numpy", None)
    got = list(CurriculumDataset(*source, batch=8))
    assert isinstance(got[0]["prompt_tokens"], memoryview)
    assert [plain(s) for s in got] == everything


@pytest.mark.parametrize("batches", [False, True])
def test_resumed_anywhere_equals_never_stopped(source, everything, batches):
    rng = random.Random(5)
    for _ in range(6):
        size = rng.choice([{"batch": rng.randint(1, 20)}, {"batch_tokens": rng.randint(500, 9000)}])
        first = CurriculumDataset(*source, batches=batches, **size)
        stop, got = rng.randint(0, len(everything)), []
        for item in first:
            got += [plain(s) for s in item.samples()] if batches else [plain(item)]
            if len(got) >= stop:
                break
        state = json.loads(json.dumps(first.state_dict()))
        second = CurriculumDataset(*source, batches=batches, **size)
        second.load_state_dict(state)
        rest = [plain(s) for item in second for s in (item.samples() if batches else [item])]
        assert got + rest == everything, (size, stop)


def test_between_two_batches_everything_may_change(source, everything):
    first = CurriculumDataset(*source, batch=10, batches=True)
    taken = next(iter(first))
    second = []
    for rank in range(3):
        dataset = CurriculumDataset(*source, batch=4, rank=rank, ranks=3)
        dataset.load_state_dict(first.state_dict())
        second += places(list(dataset))
    assert sorted(places(list(taken.samples())) + second) == places(everything)


def test_a_state_inside_a_batch_fits_only_the_same_division(source):
    first = CurriculumDataset(*source, batch=10)
    next(iter(first))
    second = CurriculumDataset(*source, batch=5)
    second.load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="inside a batch"):
        next(iter(second))


@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_ranks_and_workers_partition_the_plan(server, everything, ranks, workers, balance):
    got = []
    for rank in range(ranks):
        for worker in range(workers):
            some = CurriculumDataset(
                server.address, "plan-2.parquet", batch=6, rank=rank, ranks=ranks, worker=worker, workers=workers, balance=balance
            )  # fmt: skip
            got += places(list(some))
    assert sorted(got) == [p for p in places(everything) if p[0] == 2]


def test_several_plans_ranks_and_workers_need_whole_batches(source):
    kwargs = {"batch": 6, "rank": 0, "ranks": 2, "worker": 0, "workers": 2}
    with pytest.raises(ValueError, match="drop_last"):
        next(iter(CurriculumDataset(*source, **kwargs)))
    assert list(CurriculumDataset(*source, drop_last=True, **kwargs))


def test_workers_that_stop_anywhere_go_on_where_they_were(server, everything):
    rng = random.Random(1)
    kwargs = {"batch": 6, "workers": 3}
    got = []
    for worker in range(3):
        first = CurriculumDataset(server.address, "plan-2.parquet", worker=worker, **kwargs)
        for _, sample in zip(range(rng.randint(0, 20)), first, strict=False):
            got.append(plain(sample))
        second = CurriculumDataset(server.address, "plan-2.parquet", worker=worker, **kwargs)
        second.load_state_dict(first.state_dict())
        got += [plain(s) for s in second]
        if worker:
            with pytest.raises(ValueError, match="one of 3 workers"):
                third = CurriculumDataset(server.address, "plan-2.parquet", batch=6)
                third.load_state_dict({**first.state_dict(), "rows": 0})
                next(iter(third))
    assert sorted(places(got)) == [p for p in places(everything) if p[0] == 2]


def test_each_iteration_begins_at_the_same_place(source, everything):
    dataset = CurriculumDataset(*source, batch=8, batches=True)
    first = next(iter(dataset))
    assert next(iter(dataset)).sample_ids == first.sample_ids
    dataset.commit(first)
    assert places(list(next(iter(dataset)).samples())) == places(everything)[8:16]


def test_a_pickled_dataset_reads_the_same(source, everything):
    dataset = CurriculumDataset(*source, batch=16)
    next(iter(dataset))
    assert [plain(s) for s in pickle.loads(pickle.dumps(dataset))] == everything


def test_a_cursor_of_another_plan_is_refused_with_the_difference(source):
    folder, plans = source
    begun = CurriculumDataset(folder, plans[0], batch=8, batches=True)
    next(iter(begun))
    other = CurriculumDataset(folder, plans[1], batch=8, cursor=begun.cursor)
    with pytest.raises(CursorRefused, match="plan"):
        next(iter(other))


def test_what_cannot_be_is_said_at_once(source):
    folder, plans = source
    with pytest.raises(NotFound, match="none.parquet"):
        next(iter(CurriculumDataset(folder, "none.parquet", batch=8)))
    with pytest.raises(ValueError, match="batch_tokens"):
        CurriculumDataset(folder, plans, batch=8, batch_tokens=100)
    with pytest.raises(ValueError, match="rank 2"):
        CurriculumDataset(folder, plans, batch=8, rank=2, ranks=2)
    with pytest.raises(ValueError, match="no state"):
        CurriculumDataset(folder, plans, batch=8).load_state_dict({"version": 9})
    with pytest.raises(BadRequest, match="at least|rank"):
        next(iter(CurriculumDataset(folder, plans, batch=1, rank=0, ranks=2)))


def test_a_server_that_is_not_there_is_waited_for_and_no_longer():
    with pytest.raises(Unavailable, match="refused|connect"):
        next(iter(CurriculumDataset("grpc://127.0.0.1:1", "plan.parquet", batch=8, retry=IMPATIENT)))


def test_without_torch_distributed_several_processes_must_say_their_rank(source, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="WORLD_SIZE"):
        next(iter(CurriculumDataset(*source, batch=8)))
    assert next(iter(CurriculumDataset(*source, batch=8, rank=0, ranks=1)))
