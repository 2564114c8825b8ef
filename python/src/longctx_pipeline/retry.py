"""When to try again: at once, then after longer and longer pauses, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import Unavailable


@dataclass(frozen=True)
class Retry:
    """How long to be patient. Seconds; `Retry(patience=0)` raises at the first failure."""

    patience: float = 60.0
    """without any progress"""
    first: float = 0.05
    """first pause; each is twice as long as the one before"""
    longest: float = 2.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def begin(self) -> Attempts:
        """Begins to count."""
        return Attempts(self)


class Attempts:
    """The failures since the last progress."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.progress()

    def progress(self) -> None:
        """Forgets the failures."""
        self._since: float | None = None
        self._pause = self._retry.first

    def failed(self, error: Unavailable) -> None:
        """Waits before the next try, or raises the error where the patience is over."""
        now = self._retry.clock()
        if self._since is None:
            self._since = now
        if now - self._since + self._pause > self._retry.patience:
            raise error
        self._retry.sleep(self._pause)
        self._pause = min(2 * self._pause, self._retry.longest)
