"""What can go wrong, as types: one for each thing that a caller would do about it.

The rule: the server's own message comes through as it is, without the layers of gRPC around it.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.flight as flight


class PipelineError(Exception):
    """Whatever this package raises by itself."""


class CursorRefused(PipelineError):
    """The cursor is of another dataset, plan or seed; the message names the difference. Nothing was skipped."""


class BadRequest(PipelineError):
    """A ticket, outcome or config that cannot be."""


class NotFound(PipelineError):
    """No such plan, dataset or program."""


class Conflict(PipelineError):
    """The history has another outcome with this identity: two runs under one name, or one without `resume`."""


class Superseded(PipelineError):
    """`resume` took the group back before it was written."""


class Unauthenticated(PipelineError):
    """The token is missing or wrong; or the server's certificate is not trusted: give root_certs."""


class Damaged(PipelineError):
    """A file of the dataset is not what its manifest says."""


class Unavailable(PipelineError):
    """The server is away, stopping or full. Worth another try."""


class StreamCut(Unavailable):
    """The stream ended without its last batch, the one without rows: its producer died. Worth another try."""


class ForkedConnection(PipelineError):
    """This process was forked from one that had connected: gRPC would hang here."""


# The names that Arrow gives to gRPC's status codes.
_TYPES: dict[str, type[PipelineError]] = {
    "precondition failed": CursorRefused,
    "invalid argument": BadRequest,
    "not found": NotFound,
    "already exists": Conflict,
    "resource exhausted": Unavailable,
    "aborted": Superseded,
    "data loss": Damaged,
    "unavailable": Unavailable,
    "unauthenticated": Unauthenticated,
    "cancelled": Unavailable,
    "timeout": Unavailable,
    "deadline exceeded": Unavailable,
}
_STATUS = re.compile(r"(?:gRPC|Flight) returned (.+?) error, with message: (.*)", re.DOTALL)
_CONTEXT = re.compile(r"\.? (?:gRPC client debug context|Client context|Detail): .*", re.DOTALL)


def from_arrow(error: BaseException) -> PipelineError:
    """Returns an error of Arrow Flight as one of this package."""
    text = str(error)
    found = _STATUS.search(text)
    if found:
        message = _CONTEXT.sub("", found[2])
        if "certificate verify failed" in message:  # the code of a server that is away, but it will never be trusted
            return Unauthenticated(message)
        if "larger than max" in message:  # the same code as that of a full server, but it will never fit
            return BadRequest(message)
        return _TYPES.get(found[1], PipelineError)(message)
    away = isinstance(error, (flight.FlightUnavailableError, flight.FlightCancelledError, flight.FlightTimedOutError))
    if away or isinstance(error, (OSError, pa.ArrowInvalid)):  # a connection that broke inside a message
        return Unavailable(text)
    return PipelineError(text)
