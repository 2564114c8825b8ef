"""What a trainer tells the server: outcomes or rollouts, and the actions around them."""

from __future__ import annotations

import atexit
import os
import weakref
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from .connection import Connection, is_address
from .errors import PipelineError
from .outcomes import OUTCOMES, ROLLOUTS, Outcome, Rollout
from .program import Server
from .retry import Retry
from .upload import Acknowledgement, Upload

Self = TypeVar("Self", bound="Client")


class Client:
    """A server's actions. `source` is its address, a `Server`, or a dataset's folder: then it starts one."""

    def __init__(
        self,
        source: str | os.PathLike[str] | Server,
        *,
        token: str | None = None,
        root_certs: bytes | None = None,
        binary: str | os.PathLike[str] | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.server: Server | None = None
        """the server that this client started"""
        address = source.address if isinstance(source, Server) else source
        if not is_address(address):
            self.server = Server(address, binary=binary)
            address = self.server.address
        self.address = address
        self._connection = Connection(address, token, root_certs)
        self._retry = retry or Retry()

    def health(self) -> dict[str, Any]:
        """`status`, serving or stopping, and `dataset_id`."""
        return self._connection.action("health")

    def state(self) -> dict[str, Any]:
        """The dataset, its phases and plans, and the newest snapshot of the history."""
        return self._connection.action("state")

    def counters(self) -> dict[str, int]:
        """What the server has done since it began."""
        return self._connection.action("counters")

    def resume(self, run: str, *, step: int, position: int = 0, train_stage: str = "") -> int:
        """Takes back the run's outcomes at or past a place; returns how many. Before a run goes on from a checkpoint:
        the groups after it will come again, with other rewards.
        """
        body = {"run": run, "train_stage": train_stage, "step": step, "position": position}
        return int(self._connection.action("resume", body)["superseded"])

    def plan(self, name: str, config: dict[str, Any] | None = None, positions: int = 0) -> dict[str, Any]:
        """Draws a plan, such as phase-2.parquet, or its next segment, from the history as it stands; returns its state.

        `config` is that of the curriculum, such as {"phase": 2, "retrospective": "zero_mean", "seed": 7}; `positions` the
        length of the segment, 0 for all that are left. A plan that is done stays as it is.
        """
        body: dict[str, Any] = {"name": name, "positions": positions}
        if config is not None:
            body["config"] = config
        return self._connection.action("plan", body, timeout=None)

    def close(self) -> None:
        """Closes the connection, and the server where this client started it."""
        self._connection.close()
        if self.server is not None:
            self.server.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Uploader(Client):
    """A client with an upload. It pickles as its address and settings: rows stay with the process that posted them."""

    _path: str
    _schema: Any
    _leave: float  # seconds that `close` waits for answers
    _all_answered: bool  # whether rows without an answer are an error at `close`

    def __init__(self, source: str | os.PathLike[str] | Server, *, queue: int = 4096, **settings: Any) -> None:
        """`queue` is the number of rows that may wait to be sent; the other settings are those of `Client`."""
        super().__init__(source, **settings)
        self._queue = queue
        self._start()

    def _start(self) -> None:
        self._upload = Upload(self._connection, self._path, self._schema, self._retry, self._queue)
        self._at_exit = _close_at_exit(self)

    def flush(self, timeout: float | None = None) -> None:
        """Waits until all that was posted is durable in the history; raises the first failure, or TimeoutError."""
        self._upload.flush(timeout)

    def unanswered(self) -> int:
        """How many rows were posted and are not durable yet."""
        return self._upload.unanswered()

    def close(self) -> None:
        """Waits for the answers that are missing, some time, then closes the connection."""
        atexit.unregister(self._at_exit)
        try:
            self._upload.flush(self._leave, sent=not self._all_answered)
        finally:
            self._upload.close(1.0)
            super().close()

    def __getstate__(self) -> dict[str, Any]:
        if self.server is not None:
            raise PipelineError(
                "a client that started its server does not pickle: start a Server, and give its address to others"
            )
        return {k: self.__dict__[k] for k in ("address", "server", "_connection", "_retry", "_queue")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()


def _close_at_exit(client: _Uploader) -> Any:
    """Closes a client at the end of the process, as its thread would die with unsent rows; without keeping it alive."""
    reference, pid = weakref.ref(client), os.getpid()

    def close() -> None:
        alive = reference()
        if alive is not None and os.getpid() == pid:
            alive.close()

    atexit.register(close)
    return close


class OutcomeClient(_Uploader):
    """Sends outcomes, one for each group.

        with OutcomeClient("grpc://127.0.0.1:8815") as client:
            client.post(Outcome(run="r1", step=0, sample_id=sample["sample_id"], rewards=[1.0, 0.0, None]))

    `post` returns at once: a thread sends what has gathered, and again what was not acknowledged, until `retry` has no
    patience left. `close` and `flush` raise what went wrong.
    """

    _path, _schema, _leave, _all_answered = "outcomes", OUTCOMES, 60.0, True

    def post(self, outcome: Outcome) -> Future[Acknowledgement]:
        """Takes an outcome; waits only while the queue is full. The future is done when it is durable."""
        return self._upload.put(outcome.row())

    def send(self, outcomes: list[Outcome], timeout: float | None = None) -> list[Acknowledgement]:
        """Posts outcomes and waits until they are durable."""
        futures = [self.post(o) for o in outcomes]
        try:
            return [f.result(timeout) for f in futures]
        finally:
            self._upload.forget(futures)


class RolloutClient(_Uploader):
    """Sends single rollouts from any number of processes; the server writes a group when its last one is there.

    A rollout is acknowledged when its whole group is durable: do not wait for one before posting the next. When a step is
    over, `flush_groups` writes groups that stay incomplete, with unknown rewards for what is missing.
    """

    _path, _schema, _leave, _all_answered = "rollouts", ROLLOUTS, 10.0, False

    def post(self, rollout: Rollout) -> Future[Acknowledgement]:
        """Takes a rollout; waits only while the queue is full. The future is done when its group is durable."""
        return self._upload.put(rollout.row())

    def flush_groups(self, run: str, *, step: int | None = None, train_stage: str = "") -> dict[str, Any]:
        """Writes the incomplete groups of a step, or of all; returns `groups`, `missing` rollouts, and `snapshot`.

        What this client posted before is in them. A rollout that another posts later is refused.
        """
        self._upload.barrier().result()
        body: dict[str, Any] = {"run": run, "train_stage": train_stage}
        if step is not None:
            body["step"] = step
        return self._connection.action("flush", body)
