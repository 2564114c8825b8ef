"""The program itself: where it is, and how it is started such that it does not outlive who started it."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from .errors import BadRequest, CursorRefused, Damaged, NotFound, PipelineError, Unavailable
from .retry import Retry

BINARY_VARIABLE = "PIPELINE_BINARY"
"""environment variable that says where the program is"""


def find_program(binary: str | os.PathLike[str] | None = None) -> str:
    """Returns the program's path: the argument, or $PIPELINE_BINARY, or `pipeline` on the PATH."""
    for path, said in ((binary, "the argument"), (os.environ.get(BINARY_VARIABLE), f"${BINARY_VARIABLE}")):
        if path:
            if not (os.path.isfile(path) and os.access(path, os.X_OK)):
                raise NotFound(f"the program pipeline: {said} says {os.fspath(path)}, which is no program")
            return os.path.abspath(path)
    found = shutil.which("pipeline")
    if not found:
        raise NotFound(
            "the program pipeline is not on the PATH: build it with `make build`, then set "
            f"{BINARY_VARIABLE}=/path/to/bin/pipeline or give binary=..."
        )
    return found


# The shell waits for the program; beside it, cat waits for the end of our side of the pipe, which comes when we close
# it or die in any way, and then stops the program. Only the shell reaps the program, so its number cannot be another's.
_GUARD = """
exec 3<&0
"$@" 3<&- </dev/null & child=$!
(cat <&3 >/dev/null; kill -TERM $child) >/dev/null 2>&1 & watch=$!
exec 3<&-
trap '' TERM
wait $child; status=$?
kill $watch 2>/dev/null
exit $status
"""

_LOCKED = 11  # exit status of the program

# Exit statuses of the program that say what trying again would not change.
_STATUS: dict[int, type[PipelineError]] = {1: PipelineError, 2: BadRequest, 10: NotFound, 12: Damaged}


def failure(status: int, message: str, otherwise: type[PipelineError]) -> PipelineError:
    """What the program's exit status and its last words mean."""
    if "cursor refused" in message:
        return CursorRefused(message)
    if ": there is none" in message:
        return NotFound(message)
    return _STATUS.get(status, otherwise)(message)


class Server:
    """`pipeline serve` on a free port of this machine, until `close` or the end of this process, however it ends.

    One server may run for a dataset: it holds the lock of the reward history. `plans` are files of plans; those in
    DATASET/plans are served besides. `arguments` are further ones of `pipeline serve`. `retry` is how long to wait for the
    lock of the history, which a server before may still hold while it stops; 20 seconds by default.

        with Server("data", plans=["plan.parquet"]) as server:
            dataset = CurriculumDataset(server.address, "plan.parquet", batch=128)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        plans: Sequence[str | os.PathLike[str]] = (),
        *,
        binary: str | os.PathLike[str] | None = None,
        listen: str = "127.0.0.1:0",
        arguments: Sequence[str] = (),
        retry: Retry | None = None,
    ) -> None:
        command = [find_program(binary), "serve", os.fspath(folder), f"--listen={listen}", "--quiet"]
        command += [f"--plan={os.fspath(p)}" for p in plans] + list(arguments)
        self._pid = os.getpid()
        attempts = (retry or Retry(patience=20.0)).begin()
        while True:
            status = self._launch(command)
            if status is None:
                return
            message = self.log().strip() or f"exit status {status}"
            self.close()
            if status != _LOCKED:
                raise failure(status, f"pipeline serve: {message}", PipelineError)
            attempts.failed(Unavailable(f"pipeline serve: {message}"))

    def _launch(self, command: list[str]) -> int | None:
        """Starts the program; returns its exit status if it ends instead of listening."""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, as long as the server
        self._process = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        atexit.register(self.close)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().decode().strip()
        """where it listens, such as grpc://127.0.0.1:8815"""
        return None if self.address.startswith("grpc") else self._process.wait()

    def running(self) -> bool:
        """Whether the server still runs."""
        return self._process.poll() is None

    def log(self) -> str:
        """What the server wrote to standard error."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def close(self, timeout: float = 20.0) -> None:
        """Stops the server: calls in hand are finished first. Does nothing in a forked child."""
        if self._pid != os.getpid() or self._process.stdin is None:
            return
        atexit.unregister(self.close)
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self._process.poll() is None:  # forked children may hold the pipe open
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise PipelineError(
                f"pipeline serve does not stop within {timeout} s; its process group is {self._process.pid}"
            ) from e
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
        self._process.stdin = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def plan_file(folder: str | os.PathLike[str], plan: str | os.PathLike[str]) -> str:
    """Returns the file of a plan: the path as it is, or one in DATASET/plans."""
    inside = Path(folder) / "plans" / Path(plan).name
    return os.fspath(inside if not os.path.exists(plan) and inside.exists() else plan)
