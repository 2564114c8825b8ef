"""Producers that die: every sample comes once all the same, or an error does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from conftest import IMPATIENT, Data, make, places

from longctx_pipeline import (
    BadRequest,
    CurriculumDataset,
    ForkedConnection,
    NotFound,
    OutcomeClient,
    PipelineError,
    Retry,
    Server,
    StreamCut,
    Unauthenticated,
)
from longctx_pipeline.doors import PipeDoor
from longctx_pipeline.errors import from_arrow
from longctx_pipeline.request import Request


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Killable:
    """`pipeline serve` at one port, to be killed and started again."""

    def __init__(self, data: Data) -> None:
        self.data, self.port = data, free_port()
        self.address = f"grpc://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [self.data.program, "serve", str(self.data.folder), f"--listen=127.0.0.1:{self.port}", "--quiet"]
        self.process = subprocess.Popen([*command, *(f"--plan={p}" for p in self.data.plans)], stdout=subprocess.PIPE)
        assert self.process.stdout.readline().decode().strip() == self.address

    def client(self) -> OutcomeClient:
        return OutcomeClient(self.address)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def killable(long_data):
    server = Killable(long_data)
    server.start()
    yield server
    server.kill()


def test_a_server_killed_between_batches_is_gone_on_with_when_it_is_back(killable):
    everything = places(list(CurriculumDataset(str(killable.data.folder), killable.data.plans, batch=8)))
    got, back = [], None
    for sample in CurriculumDataset(killable.address, ["plan-1.parquet", "plan-2.parquet"], batch=4):
        got.append(sample)
        if len(got) in (5, 50, 75):
            if back:
                back.join()
            killable.kill()
            back = threading.Timer(0.2, killable.start)
            back.start()
    back.join()
    assert places(got) == everything
    with killable.client() as client:
        assert client.counters()["streams"] == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_the_producer_of_a_pipe_killed_in_the_middle_is_started_again(data, everything, tmp_path, workers):
    # A program that gives only so much of its stream and then dies, three times of four.
    script = tmp_path / "cut"
    script.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        echo x >> {tmp_path}/runs
        runs=$(wc -l < {tmp_path}/runs)
        [ $((runs % 4)) = 0 ] && exec {data.program} "$@"
        {data.program} "$@" | head -c $((runs % 4 * 9000 + 5000))
        kill -9 $$
        """)
    )
    script.chmod(0o755)
    kwargs = {"batch": 3, "binary": script, "workers": workers, "drop_last": False}
    got = [s for w in range(workers) for s in CurriculumDataset(str(data.folder), data.plans, worker=w, **kwargs)]
    assert sorted(places(got)) == places(everything)
    assert (tmp_path / "runs").read_text().count("x") == 4 * workers


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_pipe_never_looks_like_the_end(data, tmp_path, share):
    whole = subprocess.run(
        [data.program, "stream", str(data.folder), f"--plan={data.plans[0]}", "--batch=4"], capture_output=True, check=True
    ).stdout
    (tmp_path / "part").write_bytes(whole[: max(0, int(share * len(whole)) - 8)])
    script = tmp_path / "cut"
    script.write_text(f"#!/bin/sh\ncat {tmp_path}/part\n")
    script.chmod(0o755)
    with pytest.raises(StreamCut):
        list(CurriculumDataset(str(data.folder), data.plans[0], batch=4, binary=script, retry=IMPATIENT))


def test_a_stream_cut_between_two_batches_is_no_end(data, tmp_path):
    records = list(PipeDoor(data.program, str(data.folder)).open(Request((data.plans[0],), batch=4)))
    with pa.OSFile(str(tmp_path / "part"), "wb") as f, pa.ipc.new_stream(f, records[0].schema) as w:
        for r in records[:-1]:
            w.write_batch(r)
    script = tmp_path / "cut"
    script.write_text(f"#!/bin/sh\ncat {tmp_path}/part\n")
    script.chmod(0o755)
    got = []
    with pytest.raises(StreamCut, match="without its last batch"):
        for s in CurriculumDataset(str(data.folder), data.plans[0], batch=4, binary=script, retry=IMPATIENT):
            got.append(s)
    assert len(got) == sum(r.num_rows for r in records)


def test_a_reader_that_stops_leaves_no_process(long_data):
    dataset = iter(CurriculumDataset(str(long_data.folder), long_data.plans, batch=1))
    next(dataset)
    assert children()
    dataset.close()
    assert not children()


def children() -> list[str]:
    out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if "pipeline" in line and "stream" in line]


def test_a_server_dies_with_whoever_started_it(program, tmp_path):
    data = make(program, tmp_path)
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, longctx_pipeline; server = longctx_pipeline.Server(sys.argv[1]);"
            "print(server.address, flush=True); time.sleep(60)",
            str(data.folder),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p)),
    )
    port = int(parent.stdout.readline().rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)):
        pass
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the server still listens")


def test_a_server_that_cannot_start_says_why(data, tmp_path):
    with pytest.raises(NotFound, match="none.parquet"):
        Server(data.folder, ["none.parquet"])
    with pytest.raises(NotFound, match="manifest|dataset"):
        Server(tmp_path)
    with pytest.raises(BadRequest, match="unknown flag"):
        Server(data.folder, arguments=["--nothing"])


def test_an_address_of_another_kind_is_not_taken_for_a_folder(data):
    for source in ("http://127.0.0.1:1", "127.0.0.1://"):
        with pytest.raises(ValueError, match="is not one such as grpc://"):
            CurriculumDataset(source, data.plans, batch=1)
        with pytest.raises(ValueError, match="is not one such as grpc://"):
            OutcomeClient(source)


def test_a_batch_that_will_never_fit_is_refused_at_once(program, tmp_path):
    data = make(program, tmp_path)

    def impatient(seconds):
        raise AssertionError(f"waits {seconds} s before it tries again")

    with Server(data.folder, data.plans, arguments=["--max-batch=2KiB"]) as server:
        dataset = CurriculumDataset(server.address, "plan-1.parquet", batch=8, retry=Retry(sleep=impatient))
        with pytest.raises(BadRequest, match="too large"):
            next(iter(dataset))


def test_a_token_may_end_with_the_newline_of_its_file(program, tmp_path, monkeypatch):
    data = make(program, tmp_path)
    monkeypatch.setenv("PIPELINE_TOKEN", "secret\n")
    with Server(data.folder, data.plans) as server:
        for token in (None, "secret\n", " secret"):
            assert len(CurriculumDataset(server.address, "plan-1.parquet", batch=8, token=token).plans()) == 1
        with pytest.raises(Unauthenticated):
            CurriculumDataset(server.address, "plan-1.parquet", batch=8, token="other").plans()


def test_a_certificate_that_is_not_trusted_is_said_at_once():
    text = "Flight returned unavailable error, with message: Ssl handshake failed: certificate verify failed: self-signed"
    assert type(from_arrow(flight.FlightUnavailableError(text))) is Unauthenticated


def test_a_program_that_is_not_there_is_named(data, monkeypatch, tmp_path):
    monkeypatch.delenv("PIPELINE_BINARY")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="PIPELINE_BINARY"):
        CurriculumDataset(str(data.folder), data.plans, batch=1)
    with pytest.raises(NotFound, match="no program"):
        CurriculumDataset(str(data.folder), data.plans, batch=1, binary=tmp_path / "x")


def test_a_child_forked_after_a_connection_gets_an_error_and_does_not_hang(server, data):
    next(iter(CurriculumDataset(server.address, "plan-1.parquet", batch=4)))
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = b"nothing"
        try:
            next(iter(CurriculumDataset(server.address, "plan-1.parquet", batch=4)))
        except ForkedConnection:
            said = b"refused" if next(iter(CurriculumDataset(str(data.folder), data.plans, batch=4))) else b"no sample"
        os.write(write, said)
        os._exit(0)
    os.close(write)
    assert os.read(read, 100) == b"refused"
    os.close(read)
    os.waitpid(pid, 0)
    assert server.running()


def test_a_growing_plan_is_waited_for(program, tmp_path):
    data = make(program, tmp_path)
    with OutcomeClient(data.folder) as client:
        config = {"phase": 2, "seed": 1, "batch": 4}
        assert client.plan("grow.parquet", config, positions=8)["done"] is False
        timers = [threading.Timer(0.3 * n, client.plan, ("grow.parquet", config, 8 if n < 3 else 0)) for n in (1, 2, 3)]
        for t in timers:
            t.start()
        got = places(list(CurriculumDataset(client.address, "grow.parquet", batch=4, wait=30, poll=0.05)))
        for t in timers:
            t.join()
        state = next(p for p in client.state()["plans"] if p["name"] == "grow.parquet")
        assert got == [(2, n) for n in range(state["positions"])]
        assert state["done"]
        assert state["segments"] == 4


def test_a_plan_that_does_not_grow_is_not_waited_for_any_longer(program, tmp_path):
    slept = []
    with OutcomeClient(make(program, tmp_path).folder) as client:
        client.plan("grow.parquet", {"phase": 2, "seed": 1, "batch": 4}, positions=8)
        retry = Retry(sleep=slept.append)
        assert len(list(CurriculumDataset(client.address, "grow.parquet", batch=4, wait=3, poll=1, retry=retry))) == 8
    assert slept == [1, 1, 1]


def test_a_server_waits_for_the_lock_of_the_one_before(program, tmp_path):
    data = make(program, tmp_path)
    first = Server(data.folder, data.plans)
    with pytest.raises(PipelineError, match="lock"):
        Server(data.folder, data.plans, retry=IMPATIENT)
    threading.Timer(0.3, first.close).start()
    with Server(data.folder, data.plans) as second:
        assert second.running()


def test_a_token_is_asked_for_and_given(data, program, tmp_path, monkeypatch):
    own = make(program, tmp_path)
    (tmp_path / "token").write_text("secret\n")
    with Server(own.folder, own.plans, arguments=[f"--token-file={tmp_path / 'token'}"]) as server:
        with pytest.raises(Unauthenticated):
            OutcomeClient(server.address).health()
        with pytest.raises(Unauthenticated):
            next(iter(CurriculumDataset(server.address, "plan-1.parquet", batch=4, token="other")))
        assert next(iter(CurriculumDataset(server.address, "plan-1.parquet", batch=4, token="secret")))
        monkeypatch.setenv("PIPELINE_TOKEN", "secret")
        with OutcomeClient(server.address) as client:
            assert client.health()["status"] == "serving"


def test_a_server_closes_though_a_forked_child_holds_its_pipe(program, tmp_path):
    server = Server(make(program, tmp_path).folder)
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    try:
        server.close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1])))
