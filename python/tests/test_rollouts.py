"""Single rollouts from several clients become outcomes, once, whatever dies."""

from __future__ import annotations

import random
import threading

import pytest
from conftest import make
from test_faults import Killable

from longctx_pipeline import Conflict, CurriculumDataset, Rollout, RolloutClient, Superseded


@pytest.fixture(scope="module")
def own(program, tmp_path_factory):
    return make(program, tmp_path_factory.mktemp("rollouts"))


@pytest.fixture(scope="module")
def ids(own) -> list[str]:
    return [s["sample_id"] for s in CurriculumDataset(str(own.folder), own.plans[1], batch=8)]


@pytest.fixture
def killable(own):
    server = Killable(own)
    server.start()
    yield server
    server.kill()


def group(run: str, step: int, sample_id: str, size: int = 4, **more) -> list[Rollout]:
    return [
        Rollout(run=run, step=step, sample_id=sample_id, group_size=size, rollout=n, reward=n / size, response=f"r{n}", **more)
        for n in range(size)
    ]


def test_the_last_rollout_of_a_group_makes_it_durable(killable, own, ids):
    with RolloutClient(killable.address) as client:
        rollouts = group("one", 0, ids[0], phase=2, position=0)
        futures = [client.post(r) for r in rollouts[:3]]
        with pytest.raises(TimeoutError):
            client.flush(0.3)
        assert client.unanswered() == 3
        futures.append(client.post(rollouts[3]))
        client.flush(10)
        assert all(f.done() for f in futures)
    (got,) = own.outcomes("one")
    assert got["rewards"] == [0, 0.25, 0.5, 0.75]
    assert got["responses"] == ["r0", "r1", "r2", "r3"]


def test_flush_groups_writes_what_is_incomplete(killable, own, ids):
    with RolloutClient(killable.address) as client:
        for step in range(20):
            client.post(group("part", step, ids[0])[2])
            done = client.flush_groups("part", step=step)  # must not overtake the rollout
            assert (done["groups"], done["missing"]) == (1, 3)
        client.flush(10)
    assert [o["rewards"] for o in own.outcomes("part")] == [[None, None, 0.5, None]] * 20


def test_rollouts_of_several_clients_survive_kills_of_the_server(killable, own, ids):
    rollouts = [r for n in range(40) for r in group("kills", n, ids[n % 7])]
    random.Random(2).shuffle(rollouts)
    clients = [RolloutClient(killable.address) for _ in range(3)]
    back = None
    for n, r in enumerate(rollouts):
        if n in (30, 80, 130):
            for c in clients:
                c._upload.barrier().result(30)
            if back:
                back.join()
            killable.kill()
            back = threading.Timer(0.1, killable.start)
            back.start()
        clients[n % 3].post(r)
    back.join()
    for c in clients:
        c.flush(30)
        c.close()
    got = own.outcomes("kills")
    assert sorted(o["step"] for o in got) == list(range(40))
    assert all(o["rewards"] == [0, 0.25, 0.5, 0.75] for o in got)


def test_another_reward_for_a_written_rollout_is_refused(killable, ids):
    with RolloutClient(killable.address) as client:
        rollouts = group("twice", 0, ids[0])
        for r in rollouts:
            client.post(r)
        client.flush(10)
        other = client.post(Rollout(run="twice", step=0, sample_id=ids[0], group_size=4, rollout=1, reward=1.0))
        assert isinstance(other.exception(10), Conflict)
        same = client.post(rollouts[2])
        assert same.result(10).same == 1
        with pytest.raises(Conflict):
            client.flush(1)


def test_rollouts_of_a_group_that_was_taken_back_fail(killable, own, ids):
    with RolloutClient(killable.address) as client:
        futures = [client.post(r) for r in group("back", 5, ids[0])[:2]]
        client._upload.barrier().result(10)
        client.resume("back", step=3)
        assert all(isinstance(f.exception(10), Superseded) for f in futures)
        with pytest.raises(Superseded):
            client.flush(10)
        for r in group("back", 5, ids[1]):
            client.post(r)
        client.flush(10)
    assert [o["sample_id"] for o in own.outcomes("back")] == [ids[1]]
