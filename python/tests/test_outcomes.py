"""What is posted: in the history before it is acknowledged, once, whatever dies."""

from __future__ import annotations

import datetime
import math
import pickle
import threading

import pytest
from conftest import make
from test_faults import Killable

from longctx_pipeline import BadRequest, Conflict, CurriculumDataset, Outcome, OutcomeClient, PipelineError, Retry, Unavailable


@pytest.fixture(scope="module")
def own(program, tmp_path_factory):
    """A dataset whose history these tests write."""
    return make(program, tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def ids(own) -> list[str]:
    return [s["sample_id"] for s in CurriculumDataset(str(own.folder), own.plans[1], batch=8)]


@pytest.fixture
def killable(own):
    server = Killable(own)
    server.start()
    yield server
    server.kill()


def test_an_acknowledged_outcome_is_in_the_history_as_it_was_posted(killable, own, ids):
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    full = Outcome(
        run="full", step=3, sample_id=ids[0], rewards=[1.0, math.nan, None], train_stage="phase 1", position=0, phase=1,
        policy="p3", judge="j", max_prompt=2000, max_response=100, temperature=0.5, rule_rewards=[1, 0, None],
        judge_rewards=[0, None, math.nan], response_lengths=[3, None, 5], stop_reasons=["stop", None, "length"],
        responses=["a", "é", None], time=when,
    )  # fmt: skip
    with OutcomeClient(killable.address) as client:
        ack = client.post(full).result(10)
        assert (ack.added, ack.same) == (1, 0)
        assert ack.snapshot == client.state()["history"]["snapshot"]
        assert client.post(full).result(10).same == 1
    killable.kill()
    (got,) = own.outcomes("full")
    assert got["rewards"] == [1, None, None]
    assert got["rule_rewards"] == [1, 0, None]
    assert (got["step"], got["sample_id"], got["phase"], got["temperature"]) == (3, ids[0], 1, 0.5)
    assert got["responses"][1] == "é"


def test_outcomes_survive_kills_of_the_server_and_none_is_doubled(killable, own, ids):
    outcomes = [Outcome(run="kills", step=n, sample_id=ids[n % 7], rewards=[float(n % 2), 0.5]) for n in range(300)]
    client = OutcomeClient(killable.address, queue=16)
    back = None
    for n, outcome in enumerate(outcomes):
        if n % 90 == 60:
            if back:
                back.join()
            killable.kill()
            back = threading.Timer(0.1, killable.start)
            back.start()
        client.post(outcome)
    client.close()
    back.join()
    killable.kill()
    assert [(o["step"], o["sample_id"]) for o in own.outcomes("kills")] == [(o.step, o.sample_id) for o in outcomes]


def test_a_refused_outcome_fails_alone(killable, own, ids):
    with OutcomeClient(killable.address) as client:
        client.send([Outcome(run="bad", step=5, sample_id=ids[0], rewards=[1.0])])
        futures = [
            client.post(Outcome(run="bad", step=n, sample_id="zz" if n == 7 else ids[0], rewards=[0.0, 1.0])) for n in range(20)
        ]
        with pytest.raises(PipelineError, match="and 1 more"):
            client.flush(20)
        errors = [type(f.exception(10)) for f in futures]
        assert errors == [Conflict if n == 5 else BadRequest if n == 7 else type(None) for n in range(20)]
        client.flush(0)  # says it once
        with pytest.raises(Conflict, match="another outcome has this identity"):
            client.send([Outcome(run="bad", step=6, sample_id=ids[0], rewards=[0.25])])
    assert sorted(o["step"] for o in own.outcomes("bad")) == [n for n in range(20) if n != 7]


def test_a_value_of_another_type_is_refused_where_it_is_posted(killable, ids):
    with OutcomeClient(killable.address) as client, pytest.raises(Exception, match="int|convert"):
        client.post(Outcome(run="r", step="three", sample_id=ids[0], rewards=[1.0]))  # type: ignore[arg-type]


def test_without_a_server_outcomes_fail_and_say_so():
    client = OutcomeClient("grpc://127.0.0.1:1", retry=Retry(patience=0.2))
    future = client.post(Outcome(run="r", step=0, sample_id="0" * 32, rewards=[1.0]))
    with pytest.raises(Unavailable):
        client.flush(20)
    assert isinstance(future.exception(0), Unavailable)
    client.close()


def test_resume_takes_back_what_comes_again(killable, own, ids):
    with OutcomeClient(killable.address) as client:
        client.send([Outcome(run="again", step=n, sample_id=ids[n], rewards=[1.0]) for n in range(6)])
        assert client.resume("again", step=4) == 2
        client.send([Outcome(run="again", step=n, sample_id=ids[n], rewards=[0.0]) for n in (4, 5)])
        assert client.health()["status"] == "serving"
        assert client.counters()["outcomes_added"] >= 8
    assert [(o["step"], o["rewards"]) for o in own.outcomes("again")] == [(n, [1] if n < 4 else [0]) for n in range(6)]


def test_a_next_plan_is_drawn_from_what_was_posted(killable, own):
    with OutcomeClient(killable.address) as client:
        one = [s["sample_id"] for s in CurriculumDataset(killable.address, "plan-1.parquet", batch=8)]
        hard = set(one[::3])
        client.send(
            [
                Outcome(run="drawn", step=0, sample_id=i, phase=1, rewards=[0.0 if i in hard else 1.0] * 4)
                for i in sorted(set(one))
            ]
        )
        gates = {"phase": 2, "retrospective": "zero_mean", "seed": 7, "runs": ["drawn"]}
        state = client.plan("next.parquet", gates)
        assert state["done"]
        got = list(CurriculumDataset(killable.address, "next.parquet", batch=8))
        assert {s["sample_id"] for s in got if s["origin_phase"] == 1} == hard
        assert client.plan("next.parquet") == state


def test_clients_pickle_as_their_address(killable, own, ids):
    with OutcomeClient(killable.address) as client:
        client.post(Outcome(run="pickled", step=0, sample_id=ids[0], rewards=[1.0]))
        with pickle.loads(pickle.dumps(client)) as other:
            other.post(Outcome(run="pickled", step=1, sample_id=ids[0], rewards=[1.0]))
    assert [o["step"] for o in own.outcomes("pickled")] in ([0, 1], [1, 0])


def test_what_was_posted_is_sent_before_the_process_ends(killable, own, ids):
    import os
    import subprocess
    import sys

    program = (
        "import sys; from longctx_pipeline import *; c = OutcomeClient(sys.argv[1]);"
        "[c.post(Outcome(run='ended', step=n, sample_id=sys.argv[2], rewards=[1.0])) for n in range(50)]"
    )
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    subprocess.run([sys.executable, "-c", program, killable.address, ids[0]], check=True, env=env)
    assert len(own.outcomes("ended")) == 50
