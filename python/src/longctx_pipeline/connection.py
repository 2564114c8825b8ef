"""A connection to `pipeline serve` over Arrow Flight.

The rule: connect at the first use, in the process that uses it. A connection does not survive a fork: gRPC hangs
in a child whose parent had connected. That child gets an error here that says so. Pickled, a connection is its address.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

import pyarrow as pa
import pyarrow.flight as flight

from .errors import ForkedConnection, PipelineError, from_arrow

TOKEN_VARIABLE = "PIPELINE_TOKEN"
"""environment variable that holds the token where none is given, as for the server"""

SCHEMES = ("grpc://", "grpc+tcp://", "grpc+tls://", "grpc+unix://")


def is_address(source: object) -> TypeGuard[str]:
    """Whether a source is meant as a server's address, and not as a folder."""
    return isinstance(source, str) and "://" in source


class _Process:
    """What this process has done with gRPC."""

    connected = False
    forked_after = False


def _in_child() -> None:
    _Process.forked_after = _Process.forked_after or _Process.connected


os.register_at_fork(after_in_child=_in_child)


@contextmanager
def translated() -> Iterator[None]:
    """Raises errors of Arrow as this package's own."""
    try:
        yield
    except PipelineError:
        raise
    except (pa.ArrowException, OSError) as e:
        raise from_arrow(e) from e


class Connection:
    """A server's address, and a connection to it as soon as it is used.

    `token` is sent with every call; `root_certs` is the PEM text that a server's certificate is checked with.
    """

    def __init__(self, address: str, token: str | None = None, root_certs: bytes | None = None) -> None:
        if not address.startswith(SCHEMES):
            raise ValueError(f"address {address!r} is not one such as grpc://127.0.0.1:8815")
        self.address = address
        self._token = (token if token is not None else os.environ.get(TOKEN_VARIABLE, "")).strip()  # as the server does
        self._root_certs = root_certs
        self._drop()

    def _drop(self) -> None:
        self._client: Any = None
        self._pid = 0

    def client(self) -> Any:
        """The Flight client of this process."""
        if self._client is None or self._pid != os.getpid():
            if _Process.forked_after:
                raise ForkedConnection(
                    "this process was forked from one that had connected to a server already, where gRPC would hang: "
                    'start workers with multiprocessing_context="spawn" or "forkserver", give the dataset the folder '
                    "instead of an address, or connect in the parent only after the workers have begun"
                )
            _Process.connected = True
            with translated():
                self._client = flight.connect(self.address, **self._tls())
            self._pid = os.getpid()
        return self._client

    def _tls(self) -> dict[str, Any]:
        return {"tls_root_certs": self._root_certs} if self._root_certs else {}

    def options(self, timeout: float | None = None) -> Any:
        """Call options: the token, and seconds after which a call gives up."""
        headers = [(b"authorization", b"Bearer " + self._token.encode())] if self._token else []
        return flight.FlightCallOptions(timeout=timeout, headers=headers)

    def action(self, name: str, body: dict[str, Any] | None = None, timeout: float | None = 60.0) -> dict[str, Any]:
        """Does one of the server's actions."""
        request = flight.Action(name, json.dumps(body).encode() if body is not None else b"")
        with translated():
            results = list(self.client().do_action(request, self.options(timeout)))
        answer: dict[str, Any] = json.loads(results[0].body.to_pybytes())
        return answer

    def close(self) -> None:
        """Closes the connection; the next use makes another."""
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._drop()

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address, "_token": self._token, "_root_certs": self._root_certs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._drop()
