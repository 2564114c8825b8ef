"""Under torch: DataLoader with workers, StatefulDataLoader, distributed ranks. Heavy: `make interop-trainers`."""

from __future__ import annotations

import pytest
from conftest import places, plain

from longctx_pipeline import Batch, CurriculumDataset, ForkedConnection

torch = pytest.importorskip("torch", reason="torch is not here; make interop-trainers installs it")
pytestmark = pytest.mark.heavy

from torch.utils.data import DataLoader, IterableDataset  # noqa: E402


def spawned(source, workers) -> dict:
    """A loader's settings; workers that connect must not be forked from a parent that did."""
    spawn = workers and source[0].startswith("grpc")
    return {"num_workers": workers, "multiprocessing_context": "forkserver" if spawn else None}


def test_a_dataset_is_an_iterable_dataset(data):
    assert isinstance(CurriculumDataset(str(data.folder), data.plans, batch=8), IterableDataset)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_loader_gives_the_batches_in_order(source, everything, workers):
    dataset = CurriculumDataset(*source, batch=8, batches=True)
    loader = DataLoader(dataset, batch_size=None, collate_fn=None, **spawned(source, workers))
    got = [plain(s) for batch in loader for s in batch.samples()]
    assert got == everything


@pytest.mark.parametrize("workers", [2, 3])
def test_a_committed_place_is_resumed_with_any_number_of_workers(data, everything, workers):
    first = CurriculumDataset(str(data.folder), data.plans, batch=6, batches=True)
    got = []
    for n, batch in enumerate(DataLoader(first, batch_size=None, num_workers=workers)):
        got += list(batch.samples())
        first.commit(batch)
        if n == 4:
            break
    second = CurriculumDataset(str(data.folder), data.plans, batch=10)
    second.load_state_dict(first.state_dict())
    assert places(got) + places(list(DataLoader(second, batch_size=None, num_workers=1))) == places(everything)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("stop", [1, 7, 16])
def test_a_stateful_loader_goes_on_exactly(data, workers, batches, stop, everything):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def loader():
        dataset = CurriculumDataset(str(data.folder), data.plans, batch=5, batches=batches)
        return stateful.StatefulDataLoader(
            dataset, batch_size=None if batches else 4, collate_fn=list if not batches else same, num_workers=workers
        )

    def samples(item):
        return list(item.samples()) if isinstance(item, Batch) else item

    whole = [s for item in loader() for s in samples(item)]
    first, got = loader(), []
    for n, item in enumerate(first, 1):
        got += samples(item)
        if n == stop:
            break
    second = loader()
    second.load_state_dict(first.state_dict())
    got += [s for item in second for s in samples(item)]
    assert places(got) == places(whole)
    assert sorted(places(whole)) == places(everything)


def same(item):
    return item


def test_forked_workers_of_a_connected_parent_say_what_to_do(server):
    dataset = CurriculumDataset(server.address, "plan-1.parquet", batch=8, batches=True)
    next(iter(dataset))
    with pytest.raises(ForkedConnection, match="forkserver"):
        list(DataLoader(dataset, batch_size=None, num_workers=1, multiprocessing_context="fork"))


def read_as_rank(rank: int, source: tuple, port: int, queue) -> None:
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    dataset = CurriculumDataset(*source, batch=8)
    queue.put([places(list(DataLoader(dataset, batch_size=None, **spawned(source, n)))) for n in (0, 1)])
    torch.distributed.destroy_process_group()


def test_ranks_come_from_torch_distributed(source, everything):
    from test_faults import free_port

    context = torch.multiprocessing.get_context("spawn")
    queue, port = context.SimpleQueue(), free_port()
    processes = [context.Process(target=read_as_rank, args=(r, source, port, queue)) for r in range(2)]
    for p in processes:
        p.start()
    both = [queue.get(), queue.get()]
    for p in processes:
        p.join()
    for with_workers in range(2):
        assert sorted(both[0][with_workers] + both[1][with_workers]) == places(everything)
