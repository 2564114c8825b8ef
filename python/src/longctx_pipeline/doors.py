"""The two doors to the reader of `pipeline`: a Flight server, and a program that writes to a pipe.

The rule: a door gives record batches up to and with the one without rows. Whatever else ends a stream is an error:
`StreamCut` or another `Unavailable` where trying again from the last cursor can help. Doors pickle, connections do not.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.flight as flight

from .connection import Connection, translated
from .errors import PipelineError, StreamCut
from .program import failure, plan_file
from .request import Request

Record = Any
"""a pyarrow.RecordBatch"""


class Door(Protocol):
    """Where streams come from."""

    def open(self, request: Request) -> Iterator[Record]:
        """Gives the batches of one stream; the last has no rows. Closing the iterator ends the stream."""
        ...

    def close(self) -> None:
        """Drops connections."""
        ...


class FlightDoor:
    """Streams of a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, request: Request) -> Iterator[Record]:
        """Gives the batches of DoGet."""
        with translated():
            call = self._connection.client().do_get(flight.Ticket(request.ticket()), self._connection.options())
        try:
            while True:
                with translated():
                    try:
                        record = call.read_chunk().data
                    except StopIteration:
                        raise StreamCut("the stream ended without its last batch") from None
                yield record
                if record.num_rows == 0:
                    return
        finally:
            with contextlib.suppress(pa.ArrowException):
                call.cancel()

    def close(self) -> None:
        """Drops the connection."""
        self._connection.close()


_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux
_PIPE_BYTES = 1 << 20  # 64 KiB, the default, makes 16 times as many switches between the two processes


class PipeDoor:
    """Streams of `pipeline stream`, one process each. It dies with its reader, of the broken pipe."""

    def __init__(self, program: str, folder: str) -> None:
        self._program, self._folder = program, folder

    def open(self, request: Request) -> Iterator[Record]:
        """Gives the batches that the program writes."""
        plans = [plan_file(self._folder, p) for p in request.plans]
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [self._program, "stream", self._folder, "--quiet", *_with_plans(request, plans)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
            assert process.stdout is not None
            _widen(process.stdout)
            complete = False
            try:
                for record in _records(process.stdout):
                    yield record
                    complete = record.num_rows == 0
                    if complete:
                        return
                raise _verdict(process.wait(), log)
            finally:
                process.stdout.close()
                if not complete:
                    process.kill()
                process.wait()

    def close(self) -> None:
        """Does nothing: a stream's process ends with its iterator."""


def _with_plans(request: Request, plans: list[str]) -> list[str]:
    return [f"--plan={p}" for p in plans] + [a for a in request.arguments() if not a.startswith("--plan=")]


def _widen(pipe: IO[bytes]) -> None:
    with contextlib.suppress(ImportError, OSError):  # not on this system, or over the user's limit: slower
        import fcntl

        fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _PIPE_BYTES)


def _records(pipe: IO[bytes]) -> Iterator[Record]:
    """The whole batches that a pipe gives; one that is cut off ends them, as the producer's status says why."""
    try:
        reader = pa.ipc.open_stream(pipe)
    except (pa.ArrowInvalid, OSError):
        return
    while True:
        try:
            record = reader.read_next_batch()
        except (StopIteration, pa.ArrowInvalid, OSError):
            return
        yield record


def _verdict(status: int, log: IO[bytes]) -> PipelineError:
    """Why a stream ended without its last batch."""
    size = os.fstat(log.fileno()).st_size
    message = os.pread(log.fileno(), size, 0).decode(errors="replace").strip().removeprefix("pipeline: error: ")
    return failure(status, message or f"pipeline stream ended with status {status} and without its last batch", StreamCut)
