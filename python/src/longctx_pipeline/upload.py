"""Rows to a server, by a thread in the background, until each is acknowledged.

The rule: a row without an answer is not written, and is sent again, on another call where need be; the same row twice
is one. A row that the server refuses fails alone: the others of its batch go on without it. Answers may come in any order.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from .connection import Connection, translated
from .errors import PipelineError, Superseded, Unavailable
from .retry import Attempts, Retry


@dataclass(frozen=True)
class Acknowledgement:
    """What the server says when a row, and all that were sent with it, are durable in the history."""

    batch: int
    """number of the rows' batch in its call"""
    added: int
    """rows that were new"""
    same: int
    """rows that were there already"""
    snapshot: str
    """of the history that has them all"""


@dataclass
class _Row:
    values: dict[str, Any] | None  # None: a batch without rows
    bytes: int
    future: Future[Acknowledgement]
    alone: bool = False  # one row of its batch was refused: it is sent by itself, to find out which


_BATCH_ROWS = 1024
_BATCH_BYTES = 8 << 20  # far below the largest message that a server takes
_LINGER = 0.5  # seconds that a call without work stays open: a server has places for so many clients


class Upload:
    """A queue of rows and the thread that sends them. At most `queue` rows wait to be sent: `put` waits then."""

    def __init__(self, connection: Connection, path: str, schema: Any, retry: Retry, queue: int) -> None:
        self._connection, self._path, self._schema, self._retry, self._queue = connection, path, schema, retry, queue
        self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Row] = deque()  # to be sent
        self._sent: dict[int, list[_Row]] = {}  # on this call, without an answer
        self._failures: dict[Future[Acknowledgement], PipelineError] = {}  # that nobody was told of
        self._thread: threading.Thread | None = None
        self._closing = False
        self._pid = os.getpid()

    def put(self, values: dict[str, Any]) -> Future[Acknowledgement]:
        """Takes a row. Its future is done when the row is durable, or refused, or given up."""
        size = pa.RecordBatch.from_pylist([values], schema=self._schema).nbytes  # raises over a value of another type
        return self._put(_Row(values, size, Future()))

    def barrier(self) -> Future[Acknowledgement]:
        """Is done when the server has seen all rows before, durable or not: a batch without rows is answered at once."""
        return self._put(_Row(None, 0, Future(), alone=True))

    def _put(self, row: _Row) -> Future[Acknowledgement]:
        if self._pid != os.getpid():  # forked: the thread and its rows are the parent's
            self._begin()
        row.future.set_running_or_notify_cancel()  # it cannot be taken back
        with self._changed:
            while len(self._waiting) >= self._queue:
                self._changed.wait()
            self._waiting.append(row)
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name=f"pipeline-{self._path}", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return row.future

    def unanswered(self) -> int:
        """Rows that were taken and are not durable yet."""
        with self._changed:
            return len(self._waiting) + sum(map(len, self._sent.values()))

    def flush(self, timeout: float | None = None, sent: bool = False) -> None:
        """Waits until all rows are durable, or only sent. Raises the first failure since the last time."""
        if self._pid != os.getpid():
            return
        with self._changed:
            if not self._changed.wait_for(lambda: not self._waiting and (sent or not self._sent), timeout):
                raise TimeoutError(
                    f"{len(self._waiting) + sum(map(len, self._sent.values()))} {self._path} have no answer after {timeout} s"
                )
            failures, self._failures = list(self._failures.values()), {}
        if failures:
            more = f" (and {len(failures) - 1} more that failed)" if len(failures) > 1 else ""
            raise type(failures[0])(f"{self._path}: {failures[0]}{more}")

    def forget(self, rows: list[Future[Acknowledgement]]) -> None:
        """Leaves to the caller what became of some rows: `flush` will not raise it."""
        with self._changed:
            for row in rows:
                self._failures.pop(row, None)

    def close(self, timeout: float) -> int:
        """Ends the thread, within a time of seconds; returns how many rows have no answer."""
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify_all()
        if thread is not None and self._pid == os.getpid():
            thread.join(timeout)
        return self.unanswered()

    def _run(self) -> None:
        attempts = self._retry.begin()
        while self._has_work():
            try:
                _Call(self, attempts).run()
            except Unavailable as e:
                self._again()
                self._connection.close()
                try:
                    attempts.failed(e)
                except Unavailable:
                    self._give_up(e)
                    attempts.progress()
            except PipelineError as e:
                self._refused(e)
            except Exception as e:  # a fault of our own: those who wait are told, the thread goes on
                self._again()
                self._give_up(PipelineError(f"{type(e).__name__}: {e}"))

    def _has_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                self._thread = None
            return bool(self._waiting)

    def _again(self) -> None:
        """Puts what has no answer before what was not sent."""
        with self._changed:
            for _, rows in sorted(self._sent.items(), reverse=True):
                self._waiting.extendleft(reversed(rows))
            self._sent.clear()

    def _give_up(self, error: PipelineError) -> None:
        with self._changed:
            lost, self._waiting = list(self._waiting), deque()
            self._fail(lost, error)

    def _fail(self, rows: list[_Row], error: PipelineError) -> None:
        for row in rows:
            self._failures[row.future] = error
            row.future.set_exception(error)
        self._changed.notify_all()

    def _refused(self, error: PipelineError) -> None:
        """Finds the row that was refused; "batch 3: ..." is how the server names its batch."""
        found = re.search(r"batch (\d+): ", str(error))
        with self._changed:  # all of it: `flush` must not find nothing left in between
            rows = self._sent.pop(int(found[1]), None) if found else None
            self._again()
            if rows is None:
                self._give_up(error)
            elif len(rows) == 1 or isinstance(error, Superseded):  # sent again, these would be of the resumed run
                self._fail(rows, error)
            else:
                for row in rows:
                    row.alone = True
                self._waiting.extendleft(reversed(rows))


class _Call:
    """One DoPut call of an upload."""

    def __init__(self, upload: Upload, attempts: Attempts) -> None:
        self._u, self._attempts, self._number, self._over = upload, attempts, 0, False

    def run(self) -> None:
        """Sends rows until there are none and all have their answer, or until the call breaks."""
        u = self._u
        descriptor = flight.FlightDescriptor.for_path(u._path)
        with translated():
            writer, answers = u._connection.client().do_put(descriptor, u._schema, u._connection.options())
        reading = threading.Thread(target=self._read, args=(answers,), name=f"pipeline-{u._path}-answers", daemon=True)
        reading.start()
        # What breaks a call shows at the next write, or not before its end: only close says why.
        with contextlib.suppress(pa.ArrowException, OSError):
            while rows := self._next():
                values = [r.values for r in rows if r.values is not None]
                writer.write_batch(pa.RecordBatch.from_pylist(values, schema=u._schema))
            if not self._over:
                writer.done_writing()
        reading.join()
        with translated():
            writer.close()
        with u._changed:
            missing = len(u._sent)
        if missing:
            raise Unavailable(f"the call ended without {missing} answers")

    def _next(self) -> list[_Row]:
        """The next batch, once there is one; nothing when the call should end."""
        u = self._u
        with u._changed:
            end = time.monotonic() + _LINGER
            while not u._waiting and not self._over:
                if u._closing:
                    return []
                if u._sent:
                    end = time.monotonic() + _LINGER
                elif time.monotonic() >= end:
                    return []
                u._changed.wait(_LINGER)
            if self._over:
                return []
            rows, size = [u._waiting.popleft()], 0
            while u._waiting and not rows[0].alone and not u._waiting[0].alone:
                size += rows[-1].bytes
                if len(rows) >= _BATCH_ROWS or size + u._waiting[0].bytes > _BATCH_BYTES:
                    break
                rows.append(u._waiting.popleft())
            u._sent[self._number] = rows
            self._number += 1
            u._changed.notify_all()
        return rows

    def _read(self, answers: Any) -> None:
        """Takes answers until the call is over."""
        u = self._u
        try:
            while True:
                try:
                    answer = answers.read()
                except (pa.ArrowException, OSError):
                    return
                if answer is None:
                    return
                said = Acknowledgement(**json.loads(answer.to_pybytes()))
                self._attempts.progress()
                with u._changed:
                    rows = u._sent.get(said.batch, [])
                for row in rows:
                    row.future.set_result(said)
                with u._changed:
                    u._sent.pop(said.batch, None)
                    u._changed.notify_all()
        finally:
            with u._changed:
                self._over = True
                u._changed.notify_all()
