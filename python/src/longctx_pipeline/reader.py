"""One stream, read to its end whatever happens to its producer: each batch once, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from .batch import Batch
from .doors import Door
from .errors import Unavailable
from .request import Request
from .retry import Retry


def read(door: Door, request: Request, retry: Retry, wait: float = 0.0, poll: float = 1.0) -> Iterator[Batch]:
    """Gives the batches of a request. `request.worker` is the lane of the first one.

    A stream that is cut off is opened again behind the last batch that came, until `retry` has no patience left. At the
    end of a plan that still grows, asks every `poll` seconds, for up to `wait` seconds, for its next segment.
    """
    attempts, idle = retry.begin(), 0.0
    while True:
        try:
            with closing(door.open(request)) as records:  # type: ignore[type-var]
                for record in records:
                    attempts.progress()
                    if record.num_rows == 0:
                        break
                    idle = 0.0
                    batch = Batch(record)
                    request = replace(request, cursor=batch.cursor, worker=request.workers - 1)
                    yield batch
        except Unavailable as e:
            door.close()
            attempts.failed(e)
            continue
        if not grows(record.schema.metadata) or idle + poll > wait:
            return
        retry.sleep(poll)
        idle += poll


def plans_of(metadata: dict[bytes, bytes]) -> list[dict[str, Any]]:
    """What a stream's schema says of its plans."""
    plans: list[dict[str, Any]] = json.loads(metadata[b"pipeline.plans"])
    return plans


def grows(metadata: dict[bytes, bytes]) -> bool:
    """Whether the last plan of a stream is not done: segments of it will follow."""
    return not plans_of(metadata)[-1]["done"]
